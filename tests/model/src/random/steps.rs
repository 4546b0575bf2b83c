//! The steps of a random sequence, and their generators.

use crate::call::{Memory, Request, Segment};
use crate::spec::Side;
use kldhost::{O_ASYNC, O_NONBLOCK, POLLIN, POLLOUT, POLLPRI, POLLRDNORM};
use proptest::prelude::*;
use proptest::sample::Index;

/// A step, before its process and its descriptors are selected.
#[derive(Clone, Debug)]
pub struct Step {
    /// Selects a descriptor of those that can be used. `None` does not prefer any.
    pub with: Option<Index>,
    pub proc: Index,
    pub action: Action,
}

#[derive(Clone, Debug)]
pub enum Action {
    Open(i32),
    Close,
    CloseKqueue,
    Dup,
    Fork(Index),
    Read(Memory),
    Write(Memory),
    Ioctl(Request, bool),
    GetFlags,
    SetFlags(i32),
    Poll(i16, bool),
    Kqueue,
    Watch(Side, bool),
    Unwatch(Side),
    Kevent(bool),
    Handler(bool),
    Signal(Index),
    Kill(Index),
    Revoke,
    Unload,
    Load,
}

fn memory() -> impl Strategy<Value = Memory> {
    let len = prop_oneof![4 => 0..12usize, 2 => 0..100usize];
    // Sometimes, a byte is out of reach.
    let segment =
        (len, prop::option::weighted(0.06, any::<Index>())).prop_map(|(len, bad)| Segment {
            len,
            good: bad.map_or(len, |bad| bad.index(len + 1)),
        });
    let many = prop::collection::vec(segment.clone(), 0..5);
    prop_oneof![4 => segment.prop_map(|one| vec![one]), 1 => many].prop_map(Memory)
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Read), Just(Side::Write)]
}

fn request() -> impl Strategy<Value = Request> {
    let size = prop_oneof![6 => 0..40usize, 2 => 0..300usize, 1 => Just(usize::MAX)];
    prop_oneof![
        1 => Just(Request::Size),
        4 => size.prop_map(Request::Resize),
        2 => Just(Request::Clear),
        1 => any::<bool>().prop_map(Request::NonBlock),
        1 => any::<bool>().prop_map(Request::Async),
        2 => side().prop_map(Request::Count),
        1 => Just(Request::Unknown),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    let flags = prop_oneof![4 => Just(0), 1 => Just(O_NONBLOCK)];
    let events = prop::sample::select(vec![
        POLLIN,
        POLLOUT,
        POLLIN | POLLOUT,
        POLLRDNORM,
        POLLPRI,
        0,
    ]);
    prop_oneof![
        10 => (0..3i32, flags).prop_map(|(mode, flags)| Action::Open(mode | flags)),
        8 => Just(Action::Close),
        1 => Just(Action::CloseKqueue),
        2 => Just(Action::Dup),
        3 => any::<Index>().prop_map(Action::Fork),
        32 => memory().prop_map(Action::Read),
        28 => memory().prop_map(Action::Write),
        14 => (request(), prop::bool::weighted(0.1)).prop_map(|(request, bad)| Action::Ioctl(request, bad)),
        1 => Just(Action::GetFlags),
        3 => prop::sample::select(vec![0, O_NONBLOCK, O_ASYNC, O_NONBLOCK | O_ASYNC]).prop_map(Action::SetFlags),
        12 => (events, prop::bool::weighted(0.7)).prop_map(|(events, wait)| Action::Poll(events, wait)),
        2 => Just(Action::Kqueue),
        8 => (side(), any::<bool>()).prop_map(|(side, clear)| Action::Watch(side, clear)),
        2 => side().prop_map(Action::Unwatch),
        14 => prop::bool::weighted(0.6).prop_map(Action::Kevent),
        2 => any::<bool>().prop_map(Action::Handler),
        8 => any::<Index>().prop_map(Action::Signal),
        3 => any::<Index>().prop_map(Action::Kill),
        1 => Just(Action::Revoke),
        3 => Just(Action::Unload),
        20 => Just(Action::Load),
    ]
}

pub fn step() -> impl Strategy<Value = Step> {
    let with = prop::option::weighted(0.97, any::<Index>());
    (with, any::<Index>(), action()).prop_map(|(with, proc, action)| Step { with, proc, action })
}
