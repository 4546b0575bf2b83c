//! The byte ring behind `/dev/echo`: bytes leave in the order in which they came. Pure and safe; it
//! knows no kernel.

/// A byte FIFO over storage of any kind.
///
/// A move in or out has two steps, so that a copy which fails half-way leaves no trace: look at the
/// bytes ([`Fifo::held`], [`Fifo::room`]), copy, then say how many were moved ([`Fifo::consume`],
/// [`Fifo::append`]). Bytes are in at most two pieces, and never move while they are held.
///
/// # Invariants
///
/// `valid <= storage.len()`; `head < storage.len()`, or 0 when the storage is empty.
pub struct Fifo<S> {
    storage: S,
    head: usize,
    valid: usize,
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> Fifo<S> {
    /// An empty FIFO whose capacity is that of the storage.
    pub fn new(storage: S) -> Self {
        Self {
            storage,
            head: 0,
            valid: 0,
        }
    }

    /// The capacity in bytes.
    pub fn len(&self) -> usize {
        self.storage.as_ref().len()
    }

    /// The number of bytes held, 0 to [`Fifo::len`].
    pub fn valid(&self) -> usize {
        self.valid
    }

    /// The number of bytes that there is room for.
    pub fn space(&self) -> usize {
        self.len() - self.valid
    }

    /// True if no byte is held.
    pub fn is_empty(&self) -> bool {
        self.valid == 0
    }

    /// True if there is no room; a FIFO of capacity 0 is always full.
    pub fn is_full(&self) -> bool {
        self.space() == 0
    }

    /// The oldest `n` bytes held (fewer if there are not as many), in order, as two pieces.
    pub fn held(&self, n: usize) -> [&[u8]; 2] {
        let n = n.min(self.valid);
        let (wrapped, straight) = self.storage.as_ref().split_at(self.head);
        let first = n.min(straight.len());
        [&straight[..first], &wrapped[..n - first]]
    }

    /// Discards the oldest `n` bytes (all, if there are not as many).
    pub fn consume(&mut self, n: usize) {
        if n < self.valid {
            self.valid -= n;
            self.head = self.wrap(self.head + n);
        } else {
            // An empty ring starts again at the front: the next bytes then lie in one piece.
            self.valid = 0;
            self.head = 0;
        }
    }

    /// Room for `n` bytes (less if there is not as much), in order, as two pieces.
    pub fn room(&mut self, n: usize) -> [&mut [u8]; 2] {
        let n = n.min(self.space());
        let tail = self.wrap(self.head + self.valid);
        let (wrapped, straight) = self.storage.as_mut().split_at_mut(tail);
        let first = n.min(straight.len());
        [&mut straight[..first], &mut wrapped[..n - first]]
    }

    /// Takes in the first `n` bytes of [`Fifo::room`], now filled: at most [`Fifo::space`].
    pub fn append(&mut self, n: usize) {
        debug_assert!(n <= self.space());
        self.valid += n;
    }

    /// Discards all bytes held.
    pub fn clear(&mut self) {
        self.consume(self.valid);
    }

    /// Moves the bytes held to `storage`, in order, and gives back the old storage; the new one
    /// unchanged, as an error, if they do not fit.
    pub fn replace(&mut self, mut storage: S) -> Result<S, S> {
        if storage.as_ref().len() < self.valid {
            return Err(storage);
        }
        let mut rest = storage.as_mut();
        let pieces = self.held(self.valid).into_iter();
        for piece in pieces.filter(|piece| !piece.is_empty()) {
            let (to, behind) = rest.split_at_mut(piece.len());
            to.copy_from_slice(piece);
            rest = behind;
        }
        self.head = 0;
        Ok(core::mem::replace(&mut self.storage, storage))
    }

    /// `at`, at most twice the capacity less one, folded into the ring.
    fn wrap(&self, at: usize) -> usize {
        let len = self.len();
        if at >= len { at - len } else { at }
    }
}

#[cfg(test)]
mod tests {
    use super::Fifo;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    fn push(fifo: &mut Fifo<Vec<u8>>, bytes: &[u8]) -> usize {
        let mut done = 0;
        for piece in fifo.room(bytes.len()) {
            piece.copy_from_slice(&bytes[done..done + piece.len()]);
            done += piece.len();
        }
        fifo.append(done);
        done
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(Vec<u8>),
        Pop(usize),
        Peek(usize),
        Clear,
        Replace(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => prop::collection::vec(any::<u8>(), 0..24).prop_map(Step::Push),
            4 => (0..24usize).prop_map(Step::Pop),
            1 => (0..24usize).prop_map(Step::Peek),
            1 => Just(Step::Clear),
            1 => (0..24usize).prop_map(Step::Replace),
        ]
    }

    proptest! {
        /// The ring does what a `VecDeque` with a capacity does, from every position of its edge.
        #[test]
        fn behaves_as_a_bounded_queue(capacity in 0..20usize, steps in prop::collection::vec(step(), 1..200)) {
            let mut capacity = capacity;
            let mut fifo = Fifo::new(vec![0; capacity]);
            let mut model = VecDeque::new();
            for step in steps {
                match step {
                    Step::Push(bytes) => {
                        let fits = bytes.len().min(capacity - model.len());
                        prop_assert_eq!(push(&mut fifo, &bytes), fits);
                        model.extend(&bytes[..fits]);
                    }
                    Step::Pop(n) => {
                        let got = fifo.held(n).concat();
                        fifo.consume(n);
                        let want: Vec<u8> = model.drain(..n.min(model.len())).collect();
                        prop_assert_eq!(got, want);
                    }
                    Step::Peek(n) => {
                        let want: Vec<u8> = model.iter().copied().take(n).collect();
                        prop_assert_eq!(fifo.held(n).concat(), want);
                    }
                    Step::Clear => {
                        fifo.clear();
                        model.clear();
                    }
                    Step::Replace(len) => match fifo.replace(vec![0; len]) {
                        Ok(old) => {
                            prop_assert!(len >= model.len());
                            prop_assert_eq!(old.len(), capacity);
                            capacity = len;
                        }
                        Err(unused) => {
                            prop_assert!(len < model.len());
                            prop_assert_eq!(unused.len(), len);
                        }
                    },
                }
                prop_assert_eq!(fifo.len(), capacity);
                prop_assert_eq!(fifo.valid(), model.len());
                prop_assert_eq!(fifo.space(), capacity - model.len());
                prop_assert_eq!(fifo.is_empty(), model.is_empty());
                prop_assert_eq!(fifo.is_full(), model.len() == capacity);
            }
        }
    }
}
