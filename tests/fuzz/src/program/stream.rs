//! The bytes that the device should hold.
//!
//! They are checked between the calls, when every thread has returned or is asleep. If several
//! writers have moved bytes since the last check, the order is unknown. Then only the counts are
//! checked until the device is empty again.

use std::collections::VecDeque;

/// The bytes of a write.
pub struct Writer {
    /// All bytes of the call, also those out of reach, which are never moved.
    pub bytes: Vec<u8>,
    /// The number that the device has taken, or `None` if that is unknown.
    pub taken: Option<usize>,
}

/// A write that was active since the last check.
pub struct Taking<'a> {
    pub writer: &'a mut Writer,
    /// The total that it has moved, if it has returned that.
    pub total: Option<usize>,
}

/// The bytes held.
pub struct Stream {
    /// `None` if they are unknown.
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

    /// Processes the reads and writes since the last check, which happened in any order. The device
    /// now reports that it holds `count` bytes.
    ///
    /// # Panics
    ///
    /// If that is impossible.
    pub fn update(&mut self, reads: Vec<Vec<u8>>, mut writes: Vec<Taking<'_>>, count: usize) {
        let read: usize = reads.iter().map(Vec::len).sum();
        let added = (count + read).checked_sub(self.count);
        let added = added.unwrap_or_else(|| {
            panic!(
                "bytes are lost: {} held, {read} read, {count} left",
                self.count
            )
        });
        let known = self.attribute(&mut writes, added);
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

    /// Attributes the `added` bytes to the writes. Returns the bytes if their order is known.
    fn attribute(&self, writes: &mut [Taking<'_>], added: usize) -> Option<Vec<u8>> {
        let moved = |taking: &Taking<'_>| {
            Some(
                taking
                    .total?
                    .checked_sub(taking.writer.taken?)
                    .expect("moved backwards"),
            )
        };
        let reported: usize = writes.iter().filter_map(moved).sum();
        let mut unreported: Vec<usize> = (0..writes.len())
            .filter(|&at| moved(&writes[at]).is_none())
            .collect();
        // A write whose count is unknown may have moved any number.
        let unknown = unreported
            .iter()
            .any(|&at| writes[at].writer.taken.is_none());
        let left = added
            .checked_sub(reported)
            .unwrap_or_else(|| panic!("{reported} bytes written, {added} have arrived"));
        assert!(
            !unreported.is_empty() || left == 0,
            "{left} bytes that were not written"
        );
        let mut order: Vec<(usize, usize)> = (0..writes.len())
            .filter_map(|at| Some((at, moved(&writes[at])?)))
            .collect();
        if left == 0 && !unknown {
            unreported.clear();
        }
        match unreported.as_slice() {
            [] => {}
            [one] if !unknown => order.push((*one, left)),
            _ => {
                unreported
                    .iter()
                    .for_each(|&at| writes[at].writer.taken = None);
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
                .expect("a write does not move more bytes than it has")
                .to_vec()
        });
        match (pieces.next(), pieces.count()) {
            (None, _) => Some(Vec::new()),
            (Some(bytes), 0) => Some(bytes),
            _ => None,
        }
    }

    /// Records that the device has been emptied.
    pub fn clear(&mut self) {
        *self = Stream::new();
    }
}

/// Removes the reads from the front, in any order that fits.
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

    fn reported(writer: &mut Writer, total: usize) -> Taking<'_> {
        Taking {
            writer,
            total: Some(total),
        }
    }

    fn unreported(writer: &mut Writer) -> Taking<'_> {
        Taking {
            writer,
            total: None,
        }
    }

    /// A device that holds 1 2 3 4.
    fn filled() -> Stream {
        let mut stream = Stream::new();
        stream.update(vec![], vec![reported(&mut writer(&[1, 2, 3, 4]), 4)], 4);
        stream
    }

    #[test]
    fn bytes_come_in_order_and_by_several_readers() {
        let mut stream = filled();
        stream.update(vec![vec![1]], vec![], 3);
        stream.update(vec![vec![4], vec![2, 3]], vec![], 0);
    }

    #[test]
    fn a_write_that_waits_is_followed() {
        let mut stream = filled();
        let mut waiting = writer(&[5, 6, 7]);
        stream.update(vec![vec![1, 2]], vec![unreported(&mut waiting)], 4);
        assert_eq!(waiting.taken, Some(2));
        stream.update(vec![vec![3, 4, 5, 6]], vec![reported(&mut waiting, 3)], 1);
        stream.update(vec![vec![7]], vec![], 0);
    }

    #[test]
    fn writers_whose_order_is_unknown_are_counted() {
        let mut stream = filled();
        let (mut one, mut other) = (writer(&[5, 6]), writer(&[7, 8]));
        stream.update(
            vec![vec![1, 2]],
            vec![unreported(&mut one), unreported(&mut other)],
            4,
        );
        assert_eq!((one.taken, other.taken), (None, None));
        stream.update(vec![vec![9; 4]], vec![unreported(&mut one)], 0);
        // An empty device is known again.
        stream.update(vec![], vec![reported(&mut writer(&[1]), 1)], 1);
        stream.update(vec![vec![1]], vec![], 0);
    }

    #[test]
    #[should_panic = "bytes are lost"]
    fn a_lost_byte_is_found() {
        filled().update(vec![vec![1]], vec![], 2);
    }

    #[test]
    #[should_panic = "bytes that were not written"]
    fn a_byte_out_of_nowhere_is_found() {
        filled().update(vec![], vec![], 5);
    }

    #[test]
    #[should_panic = "the bytes read are not those"]
    fn a_wrong_byte_is_found() {
        filled().update(vec![vec![1, 3]], vec![], 2);
    }

    #[test]
    #[should_panic = "the bytes read are not those"]
    fn a_doubled_byte_is_found() {
        let mut stream = filled();
        stream.update(vec![vec![1]], vec![reported(&mut writer(&[5]), 1)], 4);
        stream.update(vec![vec![1]], vec![], 3);
    }

    #[test]
    #[should_panic = "2 bytes written, 1 have arrived"]
    fn a_write_that_boasts_is_found() {
        filled().update(vec![], vec![reported(&mut writer(&[5, 6]), 2)], 5);
    }
}
