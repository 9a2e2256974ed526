//! What differs in the family.

/// A device of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 82540EM: QEMU's `e1000`.
    E82540Em,
    /// 82544GC: QEMU's `e1000-82544gc`.
    E82544Gc,
    /// 82545EM: QEMU's `e1000-82545em`.
    E82545Em,
    /// 82574L: QEMU's `e1000e`.
    E82574L,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::E82540Em, Self::E82544Gc, Self::E82545Em, Self::E82574L];

    /// One of each driver-visible sort: legacy receive descriptors and an interrupt line; extended ones and messages.
    pub const BOTH: [Self; 2] = [Self::E82540Em, Self::E82574L];

    /// The PCI device number; the vendor is 8086.
    #[must_use]
    pub const fn device(self) -> u16 {
        match self {
            Self::E82540Em => 0x100e,
            Self::E82544Gc => 0x100c,
            Self::E82545Em => 0x100f,
            Self::E82574L => 0x10d3,
        }
    }

    /// Whether it is the PCI Express device: MSI-X, extended receive descriptors, receive checksums, RSS.
    #[must_use]
    pub const fn is_express(self) -> bool {
        match self {
            Self::E82540Em | Self::E82544Gc | Self::E82545Em => false,
            Self::E82574L => true,
        }
    }
}
