//! The services as clients see them: two stacks on a wire in memory, in virtual time.

mod http;
mod patience;
mod streams;
mod world;
