//! What the two SYNs agree on: segment sizes, window scales, timestamps and selective acknowledgment.

use core::net::IpAddr;

use super::shared::TcpConfig;
use super::window::window_of;
use crate::wire::tcp_options::{HandshakeOptions, Timestamps};

/// The MSS that a path's MTU leaves: without IP and TCP options (RFC 6691 §2).
pub(super) fn mss_of(mtu: u16, remote: IpAddr) -> u16 {
    let headers = match remote {
        IpAddr::V4(_) => 40,
        IpAddr::V6(_) => 60,
    };
    mtu.saturating_sub(headers).max(smallest_mss(remote))
}

/// What a peer that sends no MSS option takes (RFC 9293 MUST-15).
pub(super) fn default_mss(remote: IpAddr) -> u16 {
    match remote {
        IpAddr::V4(_) => 536,
        IpAddr::V6(_) => 1220,
    }
}

/// A peer that asks for less than this would make us send mostly headers.
fn smallest_mss(remote: IpAddr) -> u16 {
    match remote {
        // RFC 791: every module must forward 68 bytes. 48 leaves 8 for options.
        IpAddr::V4(_) => 48,
        IpAddr::V6(_) => 1220,
    }
}

/// Headers would be most of what is shorter.
const LEAST: u16 = 48;

fn largest_segment(config: &TcpConfig) -> u16 {
    config.largest_segment.max(LEAST)
}

/// The effective segment size: the peer's word, the path's, our own and the floor (RFC 9293 §3.7.1, MUST-16).
pub(super) fn effective_mss(peer: Option<u16>, mtu: u16, remote: IpAddr, config: &TcpConfig) -> u16 {
    let peer = peer.unwrap_or(default_mss(remote)).max(LEAST);
    peer.min(mss_of(mtu, remote)).min(largest_segment(config))
}

/// The scale that our largest window needs (RFC 7323 §2.3).
pub(super) fn receive_scale(config: &TcpConfig) -> u8 {
    let bits = u32::BITS - window_of(config.receive_budget).leading_zeros();
    bits.saturating_sub(16).min(14) as u8
}

/// What of `theirs` we take part in: what both offer is agreed.
pub(super) fn taken(theirs: HandshakeOptions, config: &TcpConfig) -> HandshakeOptions {
    HandshakeOptions {
        mss: theirs.mss,
        window_scale: theirs.window_scale.filter(|_| config.window_scaling),
        sack_permitted: theirs.sack_permitted && config.sack,
        timestamps: theirs.timestamps.filter(|_| config.timestamps),
        fast_open: None,
        tells_bytes: false,
    }
}

/// The options of our SYN, or of our answer to what was `taken` of the peer's: window scale (RFC 7323 §2.2), timestamps
/// (§3.2) and SACK (RFC 2018 §2) are answered where they were offered. `clock` is our TSval.
pub(super) fn ours(
    mtu: u16,
    remote: IpAddr,
    config: &TcpConfig,
    taken: Option<HandshakeOptions>,
    clock: u32,
) -> HandshakeOptions {
    let offers = HandshakeOptions {
        mss: Some(mss_of(mtu, remote).min(largest_segment(config))),
        window_scale: Some(receive_scale(config)).filter(|_| config.window_scaling),
        sack_permitted: config.sack,
        // RFC 7323 §3.2: without ACK there is nothing to echo, and TSecr is zero.
        timestamps: Some(Timestamps { value: clock, echo: 0 }).filter(|_| config.timestamps),
        fast_open: None,
        tells_bytes: false,
    };
    let Some(taken) = taken else { return offers };
    HandshakeOptions {
        mss: offers.mss,
        window_scale: taken.window_scale.and(offers.window_scale),
        sack_permitted: taken.sack_permitted,
        timestamps: taken.timestamps.map(|theirs| Timestamps { value: clock, echo: theirs.value }),
        fast_open: None,
        tells_bytes: false,
    }
}

#[cfg(test)]
mod tests {
    use core::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn rfc9293_3_7_1_the_smaller_of_path_and_peer_counts() {
        let v4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
        let config = TcpConfig::DEFAULT;
        assert_eq!(effective_mss(Some(9000), 1500, v4, &config), 1460);
        assert_eq!(effective_mss(Some(536), 1500, v4, &config), 536);
        assert_eq!(effective_mss(None, 1500, v4, &config), 536);
        assert_eq!(effective_mss(None, 1500, v6, &config), 1220);
        assert_eq!(effective_mss(Some(0), 1500, v4, &config), 48);
    }

    #[test]
    fn rfc9293_3_7_1_a_setting_makes_segments_shorter_and_never_longer() {
        let v4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let with = |largest_segment| {
            let config = TcpConfig { largest_segment, ..TcpConfig::DEFAULT };
            (effective_mss(Some(1460), 1500, v4, &config), ours(1500, v4, &config, None, 0).mss)
        };
        assert_eq!(with(1100), (1100, Some(1100)));
        assert_eq!(with(9000), (1460, Some(1460)));
        assert_eq!(with(0), (48, Some(48)));
    }

    #[test]
    fn rfc7323_2_3_the_scale_covers_the_window() {
        let with = |budget| receive_scale(&TcpConfig { receive_budget: budget, ..TcpConfig::DEFAULT });
        assert_eq!(with(64 * 1024), 0);
        assert_eq!(with(256 * 1024), 2);
        assert_eq!(with(u32::MAX), 14);
    }
}
