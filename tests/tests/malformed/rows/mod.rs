//! The table, by layer.

mod dhcp;
mod icmp;
mod ipv4;
mod ipv6;
mod link;
mod ndp;
mod tcp;
mod udp;

use crate::row::Row;

/// Every row.
pub(crate) fn all() -> Vec<Row> {
    [link::rows(), ipv4::rows(), ipv6::rows(), icmp::rows(), ndp::rows(), udp::rows(), dhcp::rows(), tcp::rows()]
        .into_iter()
        .flatten()
        .collect()
}
