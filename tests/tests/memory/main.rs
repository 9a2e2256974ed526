//! Windows and the memory behind them: they grow where a path needs it, they keep what they promise, and all connections
//! together pin no more than they are given.

mod edge;
mod growth;
mod limits;
mod windows;
