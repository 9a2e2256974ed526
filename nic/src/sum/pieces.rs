//! A run of bytes, taken from the front in pieces of fixed size: what every kernel reads through, so that copying on
//! the way is the same code as reading.

/// Gives out a run from its front.
pub(super) trait Pieces<'a> {
    /// The next `N` bytes, or `None` and nothing taken when fewer are left.
    fn next<const N: usize>(&mut self) -> Option<&'a [u8; N]>;
}

/// Only reads.
pub(super) struct Read<'a>(pub(super) &'a [u8]);

impl<'a> Pieces<'a> for Read<'a> {
    #[inline(always)]
    fn next<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (piece, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(piece)
    }
}

/// Copies each piece to its place in a second run as it is taken.
pub(super) struct Copy<'a, 'b> {
    from: &'a [u8],
    to: &'b mut [u8],
}

impl<'a, 'b> Copy<'a, 'b> {
    /// All of `from`, to the front of `to`.
    ///
    /// # Panics
    /// If `to` is shorter.
    pub(super) fn new(from: &'a [u8], to: &'b mut [u8]) -> Self {
        Self { from, to: &mut to[..from.len()] }
    }
}

impl<'a> Pieces<'a> for Copy<'a, '_> {
    #[inline(always)]
    fn next<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (piece, from) = self.from.split_first_chunk()?;
        let (place, to) = core::mem::take(&mut self.to).split_first_chunk_mut::<N>()?;
        // A copy of eight registers is a few moves. One of more would, without vectors, be a call to `memcpy`.
        const PART: usize = size_of::<[usize; 8]>();
        for (piece, place) in piece.chunks(PART).zip(place.chunks_mut(PART)) {
            place.copy_from_slice(piece);
        }
        (self.from, self.to) = (from, to);
        Some(piece)
    }
}
