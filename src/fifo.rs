//! The byte ring behind `/dev/echo`. Bytes leave in the order in which they arrived.

/// A byte FIFO over storage of any kind.
///
/// A transfer has two steps, so that a copy which fails leaves no trace. The caller copies the
/// pieces of [`Fifo::peek`] or [`Fifo::room`], and then calls [`Fifo::consume`] or
/// [`Fifo::append`] with the number of bytes copied. There are at most two pieces, and bytes do
/// not move while they are held.
///
/// # Invariants
///
/// `len <= storage.len()`. `head < storage.len()`, or 0 if the storage is empty.
pub struct Fifo<S> {
    storage: S,
    head: usize,
    len: usize,
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> Fifo<S> {
    /// Returns an empty FIFO whose capacity is the length of the storage.
    pub fn new(storage: S) -> Self {
        Self {
            storage,
            head: 0,
            len: 0,
        }
    }

    /// The capacity in bytes.
    pub fn capacity(&self) -> usize {
        self.storage.as_ref().len()
    }

    /// The number of bytes held, 0 to [`Fifo::capacity`].
    pub fn len(&self) -> usize {
        self.len
    }

    /// The number of bytes that there is room for.
    pub fn space(&self) -> usize {
        self.capacity() - self.len
    }

    /// Whether no byte is held.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether there is no room. A FIFO of capacity 0 is always full.
    pub fn is_full(&self) -> bool {
        self.space() == 0
    }

    /// The oldest `n` bytes, or all if there are fewer, in order, in two pieces.
    pub fn peek(&self, n: usize) -> [&[u8]; 2] {
        let n = n.min(self.len);
        let (wrapped, straight) = split(self.storage.as_ref(), self.head);
        let first = n.min(straight.len());
        [split(straight, first).0, split(wrapped, n - first).0]
    }

    /// Discards the oldest `n` bytes, or all if there are fewer.
    pub fn consume(&mut self, n: usize) {
        if n < self.len {
            self.len -= n;
            self.head = self.wrap(self.head + n);
        } else {
            // An empty ring starts again at the front, so that the next bytes are in one piece.
            self.len = 0;
            self.head = 0;
        }
    }

    /// Room for `n` bytes, or all room if there is less, in order, in two pieces.
    pub fn room(&mut self, n: usize) -> [&mut [u8]; 2] {
        let n = n.min(self.space());
        let tail = self.wrap(self.head + self.len);
        let (wrapped, straight) = split_mut(self.storage.as_mut(), tail);
        let first = n.min(straight.len());
        [
            split_mut(straight, first).0,
            split_mut(wrapped, n - first).0,
        ]
    }

    /// Appends the first `n` bytes of [`Fifo::room`], which the caller has set. At most
    /// [`Fifo::space`].
    pub fn append(&mut self, n: usize) {
        debug_assert!(n <= self.space());
        self.len += n;
    }

    /// Discards all bytes.
    pub fn clear(&mut self) {
        self.consume(self.len);
    }

    /// Moves the bytes to `storage`, in order, and returns the old storage. Returns the new
    /// storage as an error if they do not fit.
    pub fn replace(&mut self, mut storage: S) -> Result<S, S> {
        if storage.as_ref().len() < self.len {
            return Err(storage);
        }
        let mut rest = storage.as_mut();
        for piece in self.peek(self.len) {
            let (to, behind) = split_mut(rest, piece.len());
            to.copy_from_slice(piece);
            rest = behind;
        }
        self.head = 0;
        Ok(core::mem::replace(&mut self.storage, storage))
    }

    /// Wraps `at`, which is less than two times the capacity, or 0.
    fn wrap(&self, at: usize) -> usize {
        let capacity = self.capacity();
        if at >= capacity { at - capacity } else { at }
    }
}

// A panic of split_at formats its message, which would link in about a kilobyte.

fn split(bytes: &[u8], at: usize) -> (&[u8], &[u8]) {
    match bytes.split_at_checked(at) {
        Some(pieces) => pieces,
        None => panic!("outside of the ring"),
    }
}

fn split_mut(bytes: &mut [u8], at: usize) -> (&mut [u8], &mut [u8]) {
    match bytes.split_at_mut_checked(at) {
        Some(pieces) => pieces,
        None => panic!("outside of the ring"),
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
                        let got = fifo.peek(n).concat();
                        fifo.consume(n);
                        let want: Vec<u8> = model.drain(..n.min(model.len())).collect();
                        prop_assert_eq!(got, want);
                    }
                    Step::Peek(n) => {
                        let want: Vec<u8> = model.iter().copied().take(n).collect();
                        prop_assert_eq!(fifo.peek(n).concat(), want);
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
                prop_assert_eq!(fifo.capacity(), capacity);
                prop_assert_eq!(fifo.len(), model.len());
                prop_assert_eq!(fifo.space(), capacity - model.len());
                prop_assert_eq!(fifo.is_empty(), model.is_empty());
                prop_assert_eq!(fifo.is_full(), model.len() == capacity);
            }
        }
    }
}
