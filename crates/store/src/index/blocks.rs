//! A vector that grows in blocks: what is in it never moves, so no push copies megabytes while readers wait.

/// Elements in order, `N` to a block.
pub(super) struct Blocks<T, const N: usize> {
    blocks: Vec<Vec<T>>,
    len: usize,
}

impl<T, const N: usize> Default for Blocks<T, N> {
    fn default() -> Blocks<T, N> {
        Blocks { blocks: Vec::new(), len: 0 }
    }
}

impl<T, const N: usize> Blocks<T, N> {
    /// Takes over a vector of exactly one block.
    pub(super) fn from_block(block: Vec<T>) -> Blocks<T, N> {
        assert_eq!(block.len(), N);
        Blocks { blocks: vec![block], len: N }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, element: T) {
        if self.len.is_multiple_of(N) {
            // The first block grows as it fills: most of these vectors stay small.
            self.blocks.push(if self.len == 0 { Vec::new() } else { Vec::with_capacity(N) });
        }
        self.blocks[self.len / N].push(element);
        self.len += 1;
    }

    /// Panics if `index >= len`.
    pub(super) fn at(&self, index: usize) -> &T {
        &self.blocks[index / N][index % N]
    }

    pub(super) fn at_mut(&mut self, index: usize) -> &mut T {
        &mut self.blocks[index / N][index % N]
    }

    pub(super) fn last(&self) -> Option<&T> {
        self.blocks.last()?.last()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.blocks.iter().flatten()
    }

    /// The number of leading elements for which `before` holds; it must hold for none after them.
    pub(super) fn partition_point(&self, before: impl Fn(&T) -> bool) -> usize {
        let block = self.blocks.partition_point(|block| block.last().is_some_and(&before));
        match self.blocks.get(block) {
            Some(partly) => block * N + partly.partition_point(before),
            None => self.len,
        }
    }
}
