//! Stateless address autoconfiguration (RFC 4862) with stable, opaque interface identifiers (RFC 7217).
//!
//! Invariant: an identifier depends on prefix, interface and secret only, so it is the same after a reboot and tells
//! nobody the hardware address. Left out: temporary addresses (RFC 8981).

use core::hash::Hasher;
use core::net::{IpAddr, Ipv6Addr};

use lendwire_nic::MacAddress;
use siphasher::sip::SipHasher13;

use super::Ip;
use super::address::{Address, AddressState, Origin};
use super::router_discovery::expiry;
use crate::drops::Reason;
use crate::link::InterfaceId;
use crate::time::{Instant, Span};
use crate::wire::address::Cidr;
use crate::wire::ndp::PrefixInformation;

/// RFC 7217 §7: IDGEN_RETRIES.
const MAX_ATTEMPTS: u8 = 3;
/// RFC 4862 §5.5.3 e: no message that nobody signed shortens a life below this.
const TWO_HOURS: Span = Span::from_secs(7200);

impl Ip<'_> {
    /// Takes a link-local address and asks for routers.
    pub(super) fn autoconfigure(&mut self, interface: InterfaceId, now: Instant) {
        if !self.interfaces.at(interface).is_some_and(|state| state.carries_ipv6()) {
            return;
        }
        // The storage holds no address yet, so one fits unless there is no route left; then IPv6 stays off.
        if self.make_address(interface, LINK_LOCAL_PREFIX, 0, (None, None), now).is_ok() {
            self.solicit_routers(interface, now);
        }
    }

    /// Tries the next identifier after somebody else turned out to have the last one (RFC 7217 §6).
    pub(super) fn autoconfigure_again(
        &mut self,
        interface: InterfaceId,
        last: Cidr,
        attempt: u8,
        lifetimes: (Option<Instant>, Option<Instant>),
        now: Instant,
    ) {
        let IpAddr::V6(address) = last.address() else { return };
        if attempt + 1 >= MAX_ATTEMPTS {
            return;
        }
        let prefix = address.to_bits() & PREFIX_BITS;
        if self.make_address(interface, prefix, attempt + 1, lifetimes, now).is_err() {
            self.drops.count(Reason::NdpTableFull);
        }
    }

    /// RFC 4862 §5.5.3: makes an address in an announced prefix, or renews one.
    pub(super) fn on_autonomous_prefix(
        &mut self,
        interface: InterfaceId,
        prefix: Cidr,
        said: &PrefixInformation,
        now: Instant,
    ) -> Result<(), Reason> {
        let (preferred, valid) = (said.preferred_lifetime.get(), said.valid_lifetime.get());
        // §5.5.3 d: an identifier has 64 bits, and so has the prefix of any address with one (RFC 4291 §2.5.1).
        if preferred > valid || prefix.prefix() != 64 {
            return Err(Reason::NdpPrefix);
        }
        let IpAddr::V6(network) = prefix.address() else { return Err(Reason::NdpPrefix) };
        let state = self.interfaces.at_mut(interface).ok_or(Reason::NdpUnsolicited)?;
        let mut known = false;
        let ours = state.addresses.iter_mut().flatten().filter(|address| {
            matches!(address.origin, Origin::Autoconfigured { .. }) && address.cidr.network() == prefix
        });
        for address in ours {
            known = true;
            address.renew(preferred, valid, now);
            for deadline in [address.preferred_until, address.valid_until].into_iter().flatten() {
                self.alarm.set(deadline);
            }
        }
        if known || valid == 0 {
            return Ok(());
        }
        let lifetimes = (expiry(preferred, now), expiry(valid, now));
        self.make_address(interface, network.to_bits(), 0, lifetimes, now).map_err(|_| Reason::NdpTableFull)
    }

    fn make_address(
        &mut self,
        interface: InterfaceId,
        prefix: u128,
        attempt: u8,
        (preferred_until, valid_until): (Option<Instant>, Option<Instant>),
        now: Instant,
    ) -> Result<(), super::AddAddressError> {
        let mac = self.interfaces.at(interface).ok_or(super::AddAddressError::NoInterface)?.mac;
        let address = Ipv6Addr::from_bits(prefix | u128::from(identifier(&self.secret, prefix, mac, attempt)));
        let cidr = Cidr::new(address.into(), 64).expect("64 bits are fewer than 128");
        let mut made = Address::new(cidr, Origin::Autoconfigured { attempt });
        (made.preferred_until, made.valid_until) = (preferred_until, valid_until);
        self.insert_address(interface, made, now)
    }
}

impl Address {
    /// RFC 4862 §5.5.3 e, with its two-hour rule.
    fn renew(&mut self, preferred: u32, valid: u32, now: Instant) {
        let said = expiry(valid, now);
        let least = now + TWO_HOURS;
        self.valid_until = match (self.valid_until, said) {
            (_, None) => None,
            (remaining, Some(said)) if said > least || remaining.is_some_and(|remaining| said > remaining) => {
                Some(said)
            }
            (Some(remaining), Some(_)) if remaining <= least => Some(remaining),
            (_, Some(_)) => Some(least),
        };
        self.preferred_until = expiry(preferred, now);
        let is_preferred = self.preferred_until.is_none_or(|until| until > now);
        match self.state {
            AddressState::Preferred if !is_preferred => self.state = AddressState::Deprecated,
            AddressState::Deprecated if is_preferred => self.state = AddressState::Preferred,
            AddressState::Preferred | AddressState::Deprecated | AddressState::Tentative | AddressState::Duplicate => {}
        }
    }
}

const LINK_LOCAL_PREFIX: u128 = 0xfe80 << 112;
const PREFIX_BITS: u128 = (u64::MAX as u128) << 64;

/// RFC 7217 §5: F(prefix, interface, counter, secret).
fn identifier(secret: &[u8; 16], prefix: u128, mac: MacAddress, attempt: u8) -> u64 {
    let mut salt = 0u8;
    loop {
        let mut hasher = SipHasher13::new_with_key(secret);
        hasher.write(b"interface identifier");
        hasher.write(&prefix.to_be_bytes());
        hasher.write(&mac.0);
        hasher.write(&[attempt, salt]);
        let identifier = hasher.finish();
        if !is_reserved(identifier) {
            return identifier;
        }
        salt = salt.wrapping_add(1);
    }
}

/// RFC 5453: the routers' anycast address, and the upper anycast range.
const fn is_reserved(identifier: u64) -> bool {
    identifier == 0 || identifier >> 7 == 0xfdff_ffff_ffff_ff80 >> 7
}
