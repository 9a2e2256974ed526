//! The control queue from the device's side: what it was told (virtio 1.2 §5.1.6.5).

use alloc::vec::Vec;

use super::offer::{ControlManner, feature};
use super::queue::Chain;
use super::state::State;

/// What the driver told the device to do, since the last reset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// Frames for everybody else are received too.
    pub promiscuous: bool,
    /// Frames for every group are received.
    pub all_multicast: bool,
    /// Further addresses of its own.
    pub unicast: Vec<[u8; 6]>,
    /// Groups to receive.
    pub multicast: Vec<[u8; 6]>,
    /// VLANs to receive.
    pub vlans: Vec<u16>,
    /// The address that it was given.
    pub address: Option<[u8; 6]>,
    /// Pairs of queues in use; none before the driver says so, when it is one.
    pub pairs: Option<u16>,
    /// How frames are spread over them.
    pub spread: Option<Spread>,
    /// What the driver takes, if it was changed: bits of [`feature`].
    pub guest_offloads: Option<u64>,
    /// Announcements that were acknowledged.
    pub announced: u64,
    /// Commands obeyed.
    pub commands: u64,
}

/// How a device's hash chooses the queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// What is hashed.
    pub hash_types: u32,
    /// The pair for each value of the hash's low bits; empty when the hash is reported only.
    pub table: Vec<u16>,
    /// Where frames go that have no hash.
    pub unclassified: u16,
    /// The hash's key.
    pub key: Vec<u8>,
}

const OK: u8 = 0;
const ERROR: u8 = 1;

impl State {
    /// The number of the control queue (§5.1.2).
    pub(super) fn control_queue(&self) -> usize {
        let several = self.driver_features & (feature::MQ | feature::RSS) != 0;
        if several { 2 * usize::from(self.offer.pairs) } else { 2 }
    }

    /// Obeys, or not, every command that waits.
    pub(super) fn answer(&mut self) {
        let queue = self.control_queue();
        let memory = self.memory.clone();
        if self.driver_features & feature::CTRL_VQ == 0 || self.offer.control == ControlManner::Silent {
            return;
        }
        while let Some(chain) = self.queues[queue].take(&memory) {
            let command: Vec<u8> =
                chain.readable.iter().flat_map(|&(bus, len)| memory.read(bus, len as usize)).collect();
            let answer = match self.offer.control {
                ControlManner::Obeys | ControlManner::Misnumbers => {
                    if self.obey(&command).is_some() {
                        self.orders.commands += 1;
                        OK
                    } else {
                        ERROR
                    }
                }
                ControlManner::Refuses | ControlManner::Silent => ERROR,
                ControlManner::Garbles => 0xa5,
            };
            let Chain { head, writable, .. } = chain;
            let &(bus, _) = writable.first().expect("a command has room for its answer");
            memory.write(bus, &[answer]);
            let shift = if self.offer.control == ControlManner::Misnumbers { 0x4000 } else { 0 };
            self.queues[queue].complete(&memory, u32::from(head) + shift, 1);
        }
        self.publish(queue);
    }

    /// Does what a command says; `None` where it makes no sense.
    fn obey(&mut self, command: &[u8]) -> Option<()> {
        let ([class, number], data) = command.split_first_chunk()?;
        let has = |feature: u64| (self.driver_features & feature != 0).then_some(());
        match (class, number) {
            (0, mode) => {
                has(feature::CTRL_RX)?;
                let [on] = data.try_into().ok()?;
                let switch: &mut bool = match mode {
                    0 => &mut self.orders.promiscuous,
                    1 => &mut self.orders.all_multicast,
                    _ => return None,
                };
                *switch = on == 1;
            }
            (1, 0) => {
                has(feature::CTRL_RX)?;
                let (unicast, rest) = addresses(data)?;
                let (multicast, rest) = addresses(rest)?;
                if !rest.is_empty() {
                    return None;
                }
                (self.orders.unicast, self.orders.multicast) = (unicast, multicast);
            }
            (1, 1) => {
                has(feature::CTRL_MAC_ADDR)?;
                self.orders.address = Some(data.try_into().ok()?);
            }
            (2, add_or_remove) => {
                has(feature::CTRL_VLAN)?;
                let vlan = word(data)?;
                self.orders.vlans.retain(|it| *it != vlan);
                match add_or_remove {
                    0 => self.orders.vlans.push(vlan),
                    1 => {}
                    _ => return None,
                }
            }
            (3, 0) => {
                has(feature::GUEST_ANNOUNCE)?;
                self.wants_announcement = false;
                self.orders.announced += 1;
            }
            (4, 0) => {
                has(feature::MQ)?;
                self.orders.pairs = Some(self.pairs_that_are_there(word(data)?)?);
            }
            (4, 1) => {
                has(feature::RSS)?;
                let (spread, pairs) = spread(data, true)?;
                let known = spread.hash_types & !self.offer.hash_types == 0;
                let inside = spread.table.iter().chain([&spread.unclassified]).all(|it| *it < self.offer.pairs);
                let fits = spread.table.len() <= usize::from(self.offer.rss_table);
                if !(known && inside && fits && spread.key.len() <= usize::from(self.offer.rss_key)) {
                    return None;
                }
                self.orders.pairs = Some(self.pairs_that_are_there(pairs)?);
                self.orders.spread = Some(spread);
            }
            (4, 2) => {
                has(feature::HASH_REPORT)?;
                let (spread, _) = spread(data, false)?;
                self.orders.spread = Some(spread);
            }
            (5, 0) => {
                has(feature::CTRL_GUEST_OFFLOADS)?;
                let offloads = u64::from_le_bytes(data.try_into().ok()?);
                if offloads & !self.driver_features != 0 {
                    return None;
                }
                self.orders.guest_offloads = Some(offloads);
            }
            _ => return None,
        }
        Some(())
    }

    fn pairs_that_are_there(&self, pairs: u16) -> Option<u16> {
        let is_ready = |queue: &super::queue::Queue| queue.is_enabled;
        let there =
            (1..=self.offer.pairs).contains(&pairs) && self.queues[..2 * usize::from(pairs)].iter().all(is_ready);
        there.then_some(pairs)
    }
}

/// A counted list of addresses, and what follows it.
fn addresses(data: &[u8]) -> Option<(Vec<[u8; 6]>, &[u8])> {
    let (count, rest) = data.split_first_chunk()?;
    let len = usize::try_from(u32::from_le_bytes(*count)).ok()?.checked_mul(6)?;
    let (list, rest) = rest.split_at_checked(len)?;
    Some((list.chunks_exact(6).map(|it| it.try_into().expect("six bytes")).collect(), rest))
}

/// `virtio_net_rss_config`, or `virtio_net_hash_config`; with the pairs that the former asks for.
fn spread(data: &[u8], chooses: bool) -> Option<(Spread, u16)> {
    let (types, rest) = data.split_first_chunk()?;
    let mut spread = Spread { hash_types: u32::from_le_bytes(*types), ..Spread::default() };
    let mut pairs = 0;
    let rest = if chooses {
        let (mask, rest) = (word(rest.get(..2)?)?, &rest[2..]);
        let len = usize::from(mask) + 1;
        spread.unclassified = word(rest.get(..2)?)?;
        let (table, rest) = rest[2..].split_at_checked(2 * len)?;
        spread.table = table.chunks_exact(2).map(|entry| word(entry).expect("two bytes")).collect();
        pairs = word(rest.get(..2)?)?;
        if !len.is_power_of_two() {
            return None;
        }
        &rest[2..]
    } else {
        rest.get(8..)?
    };
    let (&len, key) = rest.split_first()?;
    spread.key = key.to_vec();
    (key.len() == usize::from(len)).then_some((spread, pairs))
}

fn word(data: &[u8]) -> Option<u16> {
    Some(u16::from_le_bytes(data.try_into().ok()?))
}
