//! What strangers can make a stack do and hold: SYN cache, SYN cookies, TIME-WAIT, forged segments, floods.

mod acknowledgments;
mod ephemeral;
mod fast_open;
mod flood;
mod reuse;
mod syn_cache;
mod syn_cookies;
