//! RFC 9293 and the RFCs that complete it, by scripted segments: every state is reached and left.

mod acknowledging;
mod close;
mod keep_alive;
mod listen;
mod lower_level;
mod open;
mod opening;
mod options;
mod recovery;
mod reset;
mod sending;
mod stretching;
mod time_wait;
mod urgent;
mod window;
