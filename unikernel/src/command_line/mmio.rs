//! `virtio_mmio.device=SIZE@ADDRESS:LINE`: a virtio device on no bus that could be searched (Linux's word for it, which
//! QEMU's microvm machine puts there for each device that it has).

use super::Mistake;

/// Devices that one command line may name.
const MOST: usize = 8;

/// Where a device's registers lie, and how it interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MmioDevice {
    /// The first byte of its registers.
    pub physical: u64,
    /// Bytes of registers.
    pub len: usize,
    /// Its line into the machine's interrupt controller.
    pub line: u32,
}

/// Those that the command line names, in its order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MmioDevices([Option<MmioDevice>; MOST]);

impl MmioDevices {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = MmioDevice> + '_ {
        self.0.iter().copied().flatten()
    }

    /// Adds the one that `value` describes.
    pub(super) fn add<'a>(&mut self, value: &'a str) -> Result<(), Mistake<'a>> {
        let device = parse(value).ok_or(Mistake::Mmio(value))?;
        let free = self.0.iter_mut().find(|slot| slot.is_none()).ok_or(Mistake::TooManyMmio(value))?;
        *free = Some(device);
        Ok(())
    }
}

/// Reads `SIZE@ADDRESS:LINE`, where Linux allows `:ID` behind it, and K, M or G behind the size.
fn parse(value: &str) -> Option<MmioDevice> {
    let (size, place) = value.split_once('@')?;
    let mut parts = place.split(':');
    let physical = number(parts.next()?)?;
    let line = number(parts.next()?)?.try_into().ok()?;
    let len = match size.char_indices().next_back()? {
        (at, 'K' | 'k') => number(&size[..at])?.checked_mul(1 << 10)?,
        (at, 'M' | 'm') => number(&size[..at])?.checked_mul(1 << 20)?,
        (at, 'G' | 'g') => number(&size[..at])?.checked_mul(1 << 30)?,
        (_, _) => number(size)?,
    };
    let id_is_right = parts.next().is_none_or(|id| number(id).is_some()) && parts.next().is_none();
    (id_is_right && len > 0).then_some(MmioDevice { physical, len: len.try_into().ok()?, line })
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::super::parse;
    use super::*;

    #[track_caller]
    fn devices(line: &'static str) -> Vec<MmioDevice> {
        parse(line).expect(line).mmio.iter().collect()
    }

    #[test]
    fn what_microvm_adds_is_a_device() {
        let device = MmioDevice { physical: 0xfeb0_0e00, len: 512, line: 12 };
        assert_eq!(devices("virtio_mmio.device=512@0xfeb00e00:12"), [device]);
        let second = MmioDevice { physical: 0x1000, len: 4096, line: 5 };
        assert_eq!(devices("virtio_mmio.device=512@0xfeb00e00:12 virtio_mmio.device=4K@0x1000:5:3"), [device, second]);
        assert_eq!(devices(""), []);
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for line in [
            "virtio_mmio.device=",
            "virtio_mmio.device=512",
            "virtio_mmio.device=512@0x1000",
            "virtio_mmio.device=0@0x1000:5",
            "virtio_mmio.device=512@0xg:5",
            "virtio_mmio.device=512@0x1000:5:x",
            "virtio_mmio.device=512@0x1000:5:1:1",
            "virtio_mmio.device=16777216G@0x1000:99999999999",
            "virtio_mmio.device=é@0x1000:5",
        ] {
            assert!(matches!(parse(line), Err(Mistake::Mmio(_))), "{line}");
        }
    }

    #[test]
    fn more_devices_than_there_is_room_for_are_refused() {
        let word = "virtio_mmio.device=512@0x1000:5 ";
        assert_eq!(parse(&word.repeat(MOST)).unwrap().mmio.iter().count(), MOST);
        assert!(matches!(parse(&word.repeat(MOST + 1)), Err(Mistake::TooManyMmio(_))));
    }
}
