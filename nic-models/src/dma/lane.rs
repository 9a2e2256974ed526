//! Equal fields in an area, one behind the other: found to lie in it once, when the view is made.
//!
//! Invariant: a view has a power of two of fields and all of them lie in its area, so the low bits of any index lead to
//! one, and no access asks again. As everywhere here, what is read may be anything.

use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU16, Ordering};

use super::{Area, ORDERS_DEVICES, settle};

/// A field that is loaded and stored as one.
pub(crate) trait Word: Copy + sealed::Sealed {
    /// Loads the little-endian field at `place`.
    ///
    /// # Safety
    /// `place` is aligned for it and lies in a live area.
    unsafe fn load(place: NonNull<Self>, ordering: Ordering) -> Self;

    /// Stores it there.
    ///
    /// # Safety
    /// As for [`Word::load`].
    unsafe fn store(place: NonNull<Self>, value: Self, ordering: Ordering);
}

/// Eight bytes as one number, in one access where the processor has one so wide.
pub(crate) type Eight = u64;

mod sealed {
    pub(crate) trait Sealed {}
    impl Sealed for u16 {}
    impl Sealed for u64 {}
    impl Sealed for [u64; 2] {}
}

impl Word for u16 {
    unsafe fn load(place: NonNull<Self>, ordering: Ordering) -> Self {
        // SAFETY: the caller's promise.
        Self::from_le(unsafe { AtomicU16::from_ptr(place.as_ptr()) }.load(ordering))
    }

    unsafe fn store(place: NonNull<Self>, value: Self, ordering: Ordering) {
        // SAFETY: the caller's promise.
        unsafe { AtomicU16::from_ptr(place.as_ptr()) }.store(value.to_le(), ordering);
    }
}

#[cfg(target_has_atomic = "64")]
impl Word for Eight {
    unsafe fn load(place: NonNull<Self>, ordering: Ordering) -> Self {
        // SAFETY: the caller's promise.
        Self::from_le(unsafe { core::sync::atomic::AtomicU64::from_ptr(place.as_ptr()) }.load(ordering))
    }

    unsafe fn store(place: NonNull<Self>, value: Self, ordering: Ordering) {
        // SAFETY: the caller's promise.
        unsafe { core::sync::atomic::AtomicU64::from_ptr(place.as_ptr()) }.store(value.to_le(), ordering);
    }
}

/// In two halves. The later one in memory has what the other side waits for: it is read first and written last.
#[cfg(not(target_has_atomic = "64"))]
impl Word for Eight {
    unsafe fn load(place: NonNull<Self>, ordering: Ordering) -> Self {
        use core::sync::atomic::AtomicU32;
        let low = place.cast::<u32>();
        // SAFETY: the caller's promise covers both halves.
        let high = unsafe { low.add(1) };
        // SAFETY: as above.
        let high = u32::from_le(unsafe { AtomicU32::from_ptr(high.as_ptr()) }.load(ordering));
        // SAFETY: as above.
        let low = u32::from_le(unsafe { AtomicU32::from_ptr(low.as_ptr()) }.load(Ordering::Relaxed));
        u64::from(high) << 32 | u64::from(low)
    }

    unsafe fn store(place: NonNull<Self>, value: Self, ordering: Ordering) {
        use core::sync::atomic::AtomicU32;
        let low = place.cast::<u32>();
        // SAFETY: the caller's promise covers both halves.
        let high = unsafe { low.add(1) };
        // SAFETY: as above.
        unsafe { AtomicU32::from_ptr(low.as_ptr()) }.store((value as u32).to_le(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { AtomicU32::from_ptr(high.as_ptr()) }.store(((value >> 32) as u32).to_le(), ordering);
    }
}

/// A descriptor, in two accesses of eight bytes: the later one in memory is read first and written last.
impl Word for [Eight; 2] {
    unsafe fn load(place: NonNull<Self>, ordering: Ordering) -> Self {
        let low = place.cast::<Eight>();
        // SAFETY: the caller's promise covers both.
        let high = unsafe { low.add(1) };
        // SAFETY: as above.
        let high = unsafe { Eight::load(high, ordering) };
        // SAFETY: as above.
        [unsafe { Eight::load(low, Ordering::Relaxed) }, high]
    }

    unsafe fn store(place: NonNull<Self>, value: Self, ordering: Ordering) {
        let low = place.cast::<Eight>();
        // SAFETY: the caller's promise covers both.
        let high = unsafe { low.add(1) };
        // SAFETY: as above.
        unsafe { Eight::store(low, value[0], Ordering::Relaxed) }
        // SAFETY: as above.
        unsafe { Eight::store(high, value[1], ordering) }
    }
}

/// Fields of one kind.
#[derive(Debug)]
pub(crate) struct Lane<T> {
    first: NonNull<T>,
    mask: usize,
}

// SAFETY: as for `Area`, of which it is a part.
unsafe impl<T: Word> Send for Lane<T> {}

impl<T: Word> Lane<T> {
    /// All of `area`.
    ///
    /// # Panics
    /// If `area` does not have a power of two of fields, aligned: the driver's own mistake.
    pub(crate) fn new(area: Area) -> Self {
        let count = area.len / size_of::<T>();
        assert!(count.is_power_of_two() && count * size_of::<T>() == area.len, "a lane has whole fields");
        Self { first: area.at(0, area.len, align_of::<T>()).cast(), mask: count - 1 }
    }

    /// The field that the low bits of `index` say.
    #[inline(always)]
    pub(crate) fn read(&self, index: usize) -> T {
        // SAFETY: `at` gives a field of a live area.
        unsafe { T::load(self.at(index), Ordering::Relaxed) }
    }

    #[inline(always)]
    pub(crate) fn write(&self, index: usize, value: T) {
        // SAFETY: as in `read`.
        unsafe { T::store(self.at(index), value, Ordering::Relaxed) }
    }

    /// Writes the same everywhere.
    pub(crate) fn fill(&self, value: T) {
        for index in 0..=self.mask {
            self.write(index, value);
        }
    }

    #[inline(always)]
    fn at(&self, index: usize) -> NonNull<T> {
        // SAFETY: the lane has `mask + 1` fields.
        unsafe { self.first.add(index & self.mask) }
    }
}

/// One field alone.
#[derive(Debug)]
pub(crate) struct Spot<T>(NonNull<T>);

// SAFETY: as for `Area`, of which it is a part.
unsafe impl<T: Word> Send for Spot<T> {}

impl<T: Word> Spot<T> {
    /// All of `area`.
    ///
    /// # Panics
    /// If `area` is not one field, aligned: the driver's own mistake.
    pub(crate) fn new(area: Area) -> Self {
        assert!(area.len == size_of::<T>(), "a spot is one field");
        Self(area.at(0, area.len, align_of::<T>()).cast())
    }

    #[inline(always)]
    pub(crate) fn read(&self) -> T {
        // SAFETY: it is a field of a live area.
        unsafe { T::load(self.0, Ordering::Relaxed) }
    }

    #[inline(always)]
    pub(crate) fn write(&self, value: T) {
        // SAFETY: as in `read`.
        unsafe { T::store(self.0, value, Ordering::Relaxed) }
    }

    /// [`Spot::read`]; what the device wrote before the field is seen after.
    #[inline(always)]
    pub(crate) fn acquire(&self) -> T {
        // SAFETY: as in `read`.
        let value = unsafe { T::load(self.0, Ordering::Acquire) };
        if !ORDERS_DEVICES {
            settle();
        }
        value
    }

    /// [`Spot::write`]; the device sees what was written before it first.
    #[inline(always)]
    pub(crate) fn release(&self, value: T) {
        if !ORDERS_DEVICES {
            settle();
        }
        // SAFETY: as in `read`.
        unsafe { T::store(self.0, value, Ordering::Release) }
    }
}

/// Runs of `LEN` bytes that the device only reads.
#[derive(Debug)]
pub(crate) struct Slots<const LEN: usize> {
    first: NonNull<u8>,
    bus: u64,
    mask: usize,
    of: PhantomData<[u8; LEN]>,
}

// SAFETY: as for `Area`, of which it is a part.
unsafe impl<const LEN: usize> Send for Slots<LEN> {}

impl<const LEN: usize> Slots<LEN> {
    /// All of `area`.
    ///
    /// # Panics
    /// If `area` does not have a power of two of slots: the driver's own mistake.
    pub(crate) fn new(area: Area) -> Self {
        let count = area.len / LEN;
        assert!(count.is_power_of_two() && count * LEN == area.len, "these are whole slots");
        Self { first: area.at(0, area.len, 1), bus: area.bus, mask: count - 1, of: PhantomData }
    }

    /// The slot that the low bits of `index` say, which the device does not use yet.
    #[inline(always)]
    pub(crate) fn slot(&mut self, index: usize) -> Slot<'_, LEN> {
        let offset = (index & self.mask) * LEN;
        // SAFETY: there are `mask + 1` slots.
        let first = unsafe { self.first.add(offset) };
        Slot { first, bus: self.bus + offset as u64, of: PhantomData }
    }
}

/// One of [`Slots`], to write to.
pub(crate) struct Slot<'a, const LEN: usize> {
    first: NonNull<u8>,
    bus: u64,
    of: PhantomData<&'a mut [u8; LEN]>,
}

impl<const LEN: usize> Slot<'_, LEN> {
    /// Where the device sees the byte at `offset`.
    #[inline(always)]
    pub(crate) fn bus(&self, offset: usize) -> u64 {
        self.bus + offset as u64
    }

    /// Copies `bytes` to `offset`.
    ///
    /// # Panics
    /// If they do not fit: the driver's own mistake.
    #[inline(always)]
    pub(crate) fn write<const COUNT: usize>(&mut self, offset: usize, bytes: &[u8; COUNT]) {
        assert!(COUNT <= LEN && offset <= LEN - COUNT, "what is written fits its slot");
        // SAFETY: so many bytes lie there in the slot.
        let place = unsafe { self.first.add(offset) };
        // SAFETY: as above; `bytes` is memory that no area covers.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), place.as_ptr(), COUNT) }
    }
}
