//! The bytes that pass through the device. Each encodes its writer, and its position among that
//! writer's bytes.

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;

use kldhost_shuttle::sync::steps;

/// Writers there can be.
const WRITERS: usize = 4;

/// The result of a read(2).
struct Chunk {
    /// When it was called, and when it returned, in steps.
    called: usize,
    returned: usize,
    bytes: Vec<u8>,
}

/// The bytes that were written and read.
#[derive(Default)]
pub struct Bytes {
    chunks: Mutex<Vec<Chunk>>,
    /// How many bytes each writer has tried to write.
    tried: [AtomicUsize; WRITERS],
    /// The number of bytes that were accepted from it, by the results of its calls.
    taken: [AtomicUsize; WRITERS],
    /// Set when bytes are discarded.
    discarding: Mutex<bool>,
}

/// The writer of a byte, and its place among that writer's.
fn decode(byte: u8) -> (usize, usize) {
    ((byte >> 6).into(), (byte & 0x3f).into())
}

impl Bytes {
    /// The next `n` bytes of a writer, which is about to write them. Bytes that were not accepted
    /// before come again.
    pub fn next(&self, writer: usize, n: usize) -> Vec<u8> {
        let first = self.taken[writer].load(SeqCst);
        self.tried[writer].fetch_max(first + n, SeqCst);
        (first..first + n)
            .map(|place| (writer << 6 | place) as u8)
            .collect()
    }

    /// `n` of them were taken.
    pub fn taken(&self, writer: usize, n: usize) {
        self.taken[writer].fetch_add(n, SeqCst);
    }

    /// A read(2) that was called at step `called` has returned these.
    pub fn read(&self, called: usize, bytes: &[u8]) {
        self.chunks.lock().unwrap().push(Chunk {
            called,
            returned: steps(),
            bytes: bytes.to_vec(),
        });
    }

    /// From now on, bytes may be discarded.
    pub fn discard(&self) {
        *self.discarding.lock().unwrap() = true;
    }

    fn total(counts: &[AtomicUsize]) -> usize {
        counts.iter().map(|count| count.load(SeqCst)).sum()
    }

    /// While nothing moves, and the device holds `held` bytes: none may be lost, or too many.
    pub fn check_held(&self, held: usize) -> Result<(), String> {
        let read: usize = self
            .chunks
            .lock()
            .unwrap()
            .iter()
            .map(|chunk| chunk.bytes.len())
            .sum();
        let (taken, tried) = (Bytes::total(&self.taken), Bytes::total(&self.tried));
        let fewest = if *self.discarding.lock().unwrap() {
            0
        } else {
            taken
        };
        match read + held {
            sum if sum < fewest => Err(format!(
                "{taken} bytes were written, but {read} were read and {held} are held"
            )),
            sum if sum > tried => Err(format!(
                "only {tried} bytes were written, but {read} were read and {held} are held"
            )),
            _ => Ok(()),
        }
    }

    /// At the end: no byte of a writer was lost, duplicated or overtaken by a later one. With
    /// `cut`, not all bytes had to arrive.
    pub fn check_all(&self, cut: bool) -> Result<(), String> {
        let chunks = self.chunks.lock().unwrap();
        let discarding = *self.discarding.lock().unwrap();
        for writer in 0..WRITERS {
            let places = |chunk: &Chunk| -> Vec<usize> {
                chunk
                    .bytes
                    .iter()
                    .map(|&byte| decode(byte))
                    .filter(|&(of, _)| of == writer)
                    .map(|(_, place)| place)
                    .collect()
            };
            let read: Vec<(&Chunk, Vec<usize>)> =
                chunks.iter().map(|chunk| (chunk, places(chunk))).collect();
            let mut all: Vec<usize> = read.iter().flat_map(|(_, places)| places.clone()).collect();
            let came = all.clone();
            all.sort_unstable();
            let tried = self.tried[writer].load(SeqCst);
            let mut once = all.clone();
            once.dedup();
            if once != all || all.last().is_some_and(|&last| last >= tried) {
                return Err(format!(
                    "of writer {writer}, {tried} bytes: {came:?} arrived"
                ));
            }
            if !discarding && (!all.iter().copied().eq(0..all.len()) || !cut && all.len() != tried)
            {
                return Err(format!(
                    "of writer {writer}, {tried} bytes: only {came:?} arrived"
                ));
            }
            let in_order = read.iter().all(|(_, places)| places.is_sorted());
            let overtaken = read.iter().any(|(early, first)| {
                let later = read.iter().filter(|(late, _)| early.returned < late.called);
                later
                    .flat_map(|(_, places)| places)
                    .any(|place| first.iter().any(|other| other > place))
            });
            if !in_order || overtaken {
                return Err(format!(
                    "of writer {writer}, {tried} bytes: {came:?} arrived out of order"
                ));
            }
        }
        Ok(())
    }
}
