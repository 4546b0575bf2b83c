//! What goes in comes out: the bytes that the device should hold.
//!
//! Looked at between the calls, when every thread is back or asleep. Where several writers have
//! moved bytes since the last look, their order is not known: then only the counts are checked,
//! until the device is empty again.

use std::collections::VecDeque;

/// What a write has to move.
pub struct Writer {
    /// All bytes that it was given, also those out of reach, which are never moved.
    pub bytes: Vec<u8>,
    /// How many the device has taken; `None` when that is not known.
    pub taken: Option<usize>,
}

/// A write that was under way since the last look.
pub struct Taking<'a> {
    pub writer: &'a mut Writer,
    /// How many bytes it has moved in all, if it has said so.
    pub total: Option<usize>,
}

/// The bytes held.
pub struct Stream {
    /// `None` when they are not known.
    held: Option<VecDeque<u8>>,
    count: usize,
}

impl Stream {
    /// An empty device.
    pub fn new() -> Stream {
        Stream {
            held: Some(VecDeque::new()),
            count: 0,
        }
    }

    /// Takes in what has happened since the last look: these reads and writes, in any order. The
    /// device says now that it holds `count` bytes.
    ///
    /// # Panics
    ///
    /// If that cannot be.
    pub fn look(&mut self, reads: Vec<Vec<u8>>, mut writes: Vec<Taking<'_>>, count: usize) {
        let read: usize = reads.iter().map(Vec::len).sum();
        let added = (count + read).checked_sub(self.count);
        let added = added.unwrap_or_else(|| {
            panic!(
                "bytes are lost: {} held, {read} read, {count} left",
                self.count
            )
        });
        let known = self.settle(&mut writes, added);
        self.count = count;
        match (&mut self.held, known) {
            (Some(held), Some(bytes)) => {
                held.extend(bytes);
                assert!(
                    take(held, reads),
                    "the bytes read are not those that were written"
                );
                assert_eq!(held.len(), count, "bytes held");
            }
            _ => self.held = None,
        }
        if count == 0 {
            self.held = Some(VecDeque::new());
        }
    }

    /// Finds out who has added the `added` bytes. Returns them, if their order is known.
    fn settle(&self, writes: &mut [Taking<'_>], added: usize) -> Option<Vec<u8>> {
        let moved = |taking: &Taking<'_>| {
            Some(
                taking
                    .total?
                    .checked_sub(taking.writer.taken?)
                    .expect("moved backwards"),
            )
        };
        let told: usize = writes.iter().filter_map(moved).sum();
        let mut silent: Vec<usize> = (0..writes.len())
            .filter(|&at| moved(&writes[at]).is_none())
            .collect();
        // One that was never known stays so, and may have moved anything.
        let murky = silent.iter().any(|&at| writes[at].writer.taken.is_none());
        let left = added
            .checked_sub(told)
            .unwrap_or_else(|| panic!("{told} bytes written, {added} have come"));
        assert!(
            !silent.is_empty() || left == 0,
            "{left} bytes that nobody has written"
        );
        let mut order: Vec<(usize, usize)> = (0..writes.len())
            .filter_map(|at| Some((at, moved(&writes[at])?)))
            .collect();
        if left == 0 && !murky {
            silent.clear();
        }
        match silent.as_slice() {
            [] => {}
            [one] if !murky => order.push((*one, left)),
            _ => {
                silent.iter().for_each(|&at| writes[at].writer.taken = None);
                return None;
            }
        }
        order.retain(|&(_, moved)| moved > 0);
        let mut pieces = order.into_iter().map(|(at, moved)| {
            let writer = &mut *writes[at].writer;
            let from = writer.taken.expect("it is known");
            writer.taken = Some(from + moved);
            writer
                .bytes
                .get(from..from + moved)
                .expect("more is moved than was to be written")
                .to_vec()
        });
        match (pieces.next(), pieces.count()) {
            (None, _) => Some(Vec::new()),
            (Some(bytes), 0) => Some(bytes),
            _ => None,
        }
    }

    /// The device has been emptied.
    pub fn clear(&mut self) {
        *self = Stream::new();
    }
}

/// Takes the reads off the front, in whichever order fits.
fn take(held: &mut VecDeque<u8>, reads: Vec<Vec<u8>>) -> bool {
    if reads.is_empty() {
        return true;
    }
    for first in 0..reads.len() {
        let bytes = &reads[first];
        if held.len() < bytes.len() || !held.range(..bytes.len()).eq(bytes) {
            continue;
        }
        let mut rest = held.split_off(bytes.len());
        let mut others = reads.clone();
        others.swap_remove(first);
        if take(&mut rest, others) {
            *held = rest;
            return true;
        }
        held.append(&mut rest);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{Stream, Taking, Writer};

    fn writer(bytes: &[u8]) -> Writer {
        Writer {
            bytes: bytes.to_vec(),
            taken: Some(0),
        }
    }

    fn told(writer: &mut Writer, total: usize) -> Taking<'_> {
        Taking {
            writer,
            total: Some(total),
        }
    }

    fn silent(writer: &mut Writer) -> Taking<'_> {
        Taking {
            writer,
            total: None,
        }
    }

    /// A device that holds 1 2 3 4.
    fn filled() -> Stream {
        let mut stream = Stream::new();
        stream.look(vec![], vec![told(&mut writer(&[1, 2, 3, 4]), 4)], 4);
        stream
    }

    #[test]
    fn bytes_come_in_order_and_by_several_readers() {
        let mut stream = filled();
        stream.look(vec![vec![1]], vec![], 3);
        stream.look(vec![vec![4], vec![2, 3]], vec![], 0);
    }

    #[test]
    fn a_write_that_waits_is_followed() {
        let mut stream = filled();
        let mut waiting = writer(&[5, 6, 7]);
        stream.look(vec![vec![1, 2]], vec![silent(&mut waiting)], 4);
        assert_eq!(waiting.taken, Some(2));
        stream.look(vec![vec![3, 4, 5, 6]], vec![told(&mut waiting, 3)], 1);
        stream.look(vec![vec![7]], vec![], 0);
    }

    #[test]
    fn writers_whose_order_is_unknown_are_counted() {
        let mut stream = filled();
        let (mut one, mut other) = (writer(&[5, 6]), writer(&[7, 8]));
        stream.look(
            vec![vec![1, 2]],
            vec![silent(&mut one), silent(&mut other)],
            4,
        );
        assert_eq!((one.taken, other.taken), (None, None));
        stream.look(vec![vec![9; 4]], vec![silent(&mut one)], 0);
        // Empty, it is known again.
        stream.look(vec![], vec![told(&mut writer(&[1]), 1)], 1);
        stream.look(vec![vec![1]], vec![], 0);
    }

    #[test]
    #[should_panic = "bytes are lost"]
    fn a_lost_byte_is_found() {
        filled().look(vec![vec![1]], vec![], 2);
    }

    #[test]
    #[should_panic = "nobody has written"]
    fn a_byte_out_of_nowhere_is_found() {
        filled().look(vec![], vec![], 5);
    }

    #[test]
    #[should_panic = "the bytes read are not those"]
    fn a_wrong_byte_is_found() {
        filled().look(vec![vec![1, 3]], vec![], 2);
    }

    #[test]
    #[should_panic = "the bytes read are not those"]
    fn a_doubled_byte_is_found() {
        let mut stream = filled();
        stream.look(vec![vec![1]], vec![told(&mut writer(&[5]), 1)], 4);
        stream.look(vec![vec![1]], vec![], 3);
    }

    #[test]
    #[should_panic = "2 bytes written, 1 have come"]
    fn a_write_that_boasts_is_found() {
        filled().look(vec![], vec![told(&mut writer(&[5, 6]), 2)], 5);
    }
}
