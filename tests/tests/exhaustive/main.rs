//! RFC 9293 §3.10.7, exhaustively: every state × every kind of segment × every edge of both windows, the stack beside
//! the model of `segment_arrives`, which shares no line with it.
//!
//! A case that fails prints one line; `LENDWIRE_CASE='that line'` runs it alone.

mod amendments;
mod arrivals;
mod case;
mod pairs;
mod situation;
mod world;
