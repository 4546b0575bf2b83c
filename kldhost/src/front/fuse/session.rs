//! A mount at work: takes the requests, and keeps track of those that are being served.

use std::collections::HashMap;

use polyfuse_kernel::*;

use super::channel::{BUFFER, Channel, MAX_DATA, Message};
use super::errno::to_linux;
use super::file::OpenFile;
use super::lead::Lead;
use super::names::Names;
use super::poll::Pending;
use crate::abi::errno::Errno;
use crate::abi::syscall::Tid;
use crate::kern::interrupt::Interrupt;
use crate::kern::thread::this_thread;
use crate::machine::sync::{Arc, Condvar, Duration, Instant, Mutex, spawn};
use crate::syscall::Kernel;

/// Why a mount has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was unmounted.
    Unmounted,
    /// The hosted kernel has panicked.
    Panicked,
}

/// A request that is being served.
#[derive(Clone)]
pub struct Request {
    /// The thread that made the call, by Linux's number.
    pub pid: i32,
    /// The hosted kernel's thread that serves it.
    pub tid: Tid,
    /// Interrupts it.
    pub token: Interrupt,
}

/// A mount at work.
pub struct Session {
    pub(super) kernel: Kernel,
    pub(super) channel: Channel,
    pub(super) names: Names,
    pub(super) files: Mutex<Files>,
    pub(super) pending: Arc<Pending>,
    lead: Lead,
    requests: Mutex<HashMap<u64, Request>>,
    finished: Condvar,
    end: Mutex<Option<End>>,
    ended: Condvar,
}

/// The open files, by their numbers in the FUSE protocol.
#[derive(Default)]
pub struct Files {
    open: HashMap<u64, Arc<OpenFile>>,
    last: u64,
}

impl Files {
    /// Adds a file; its number.
    pub fn add(&mut self, file: OpenFile) -> u64 {
        self.last += 1;
        self.open.insert(self.last, Arc::new(file));
        self.last
    }

    /// The file of this number.
    pub fn get(&self, fh: u64) -> Result<Arc<OpenFile>, i32> {
        self.open.get(&fh).cloned().ok_or(libc::EBADF)
    }

    /// A file that was opened through `node`.
    pub fn of_node(&self, node: u64) -> Option<Arc<OpenFile>> {
        self.open.values().find(|file| file.node == node).cloned()
    }
}

impl Session {
    /// Serves the devices of `kernel` on `channel`.
    pub fn start(kernel: &Kernel, channel: Channel) -> Arc<Session> {
        let session = Arc::new(Session {
            kernel: kernel.clone(),
            channel,
            names: Names::new(kernel.clone()),
            files: Mutex::default(),
            pending: Arc::default(),
            lead: Lead::default(),
            requests: Mutex::default(),
            finished: Condvar::new(),
            end: Mutex::default(),
            ended: Condvar::new(),
        });
        session.add_thread();
        let notifier = session.clone();
        spawn("fuse poll".into(), move || {
            notifier.pending.serve(&notifier.channel)
        });
        session
    }

    fn add_thread(self: &Arc<Session>) {
        let session = self.clone();
        spawn("fuse".into(), move || session.serve());
    }

    fn serve(self: Arc<Session>) {
        let (mut input, mut output) = (vec![0; BUFFER], Vec::new());
        while self.lead.take() {
            let Some(len) = self.take_request(&mut input) else {
                return;
            };
            let Some(message) = Message::new(&input[..len]) else {
                continue;
            };
            self.answer(&message, &mut output);
            self.requests.lock().remove(&message.header.unique);
            self.finished.notify_all();
        }
    }

    /// As the leader: takes the next request that may have to wait, and passes the lead on.
    /// Requests that must be handled in the order of arrival are answered before that. `None` at
    /// the end.
    fn take_request(self: &Arc<Session>, input: &mut [u8]) -> Option<usize> {
        loop {
            let Ok(len) = self.channel.receive(input) else {
                self.finish(End::Unmounted);
                return None;
            };
            let message = Message::new(&input[..len])?;
            if !self.answer_in_order(&message) {
                let request = Request {
                    pid: message.header.pid as i32,
                    tid: this_thread(&self.kernel.kern).tid,
                    token: Interrupt::new(),
                };
                self.requests.lock().insert(message.header.unique, request);
                if self.lead.give() {
                    self.add_thread();
                }
                return Some(len);
            }
        }
    }

    /// Answers a request that must be handled in order. Returns false for any other request.
    ///
    /// Linux sends RELEASE when close(2) is about to return, and does not wait for the answer. When
    /// it is handled at once, everything that happens after that close sees its effect. The price
    /// is that a d_close that sleeps delays all requests. An interrupt is for an earlier request.
    fn answer_in_order(&self, message: &Message<'_>) -> bool {
        let unique = message.header.unique;
        match message.opcode() {
            Some(fuse_opcode::FUSE_INIT) => self.init(message),
            Some(fuse_opcode::FUSE_FORGET | fuse_opcode::FUSE_BATCH_FORGET) => {}
            Some(fuse_opcode::FUSE_INTERRUPT) => {
                if let Some((interrupt, _)) = message.parse::<fuse_interrupt_in>()
                    && let Some(request) = self.requests.lock().get(&interrupt.unique)
                {
                    request.token.interrupt();
                }
            }
            Some(fuse_opcode::FUSE_RELEASE) => {
                let file = message
                    .parse::<fuse_release_in>()
                    .and_then(|(release, _)| self.files.lock().open.remove(&release.fh));
                // The result of d_close is dropped, because close(2) does not wait for it.
                if let Some(Err(Errno::PANICKED)) = file.map(|file| file.close()) {
                    self.finish(End::Panicked);
                }
                self.channel.data(unique, &[]);
            }
            _ => return false,
        }
        true
    }

    fn init(&self, message: &Message<'_>) {
        let Some((asked, _)) = message.parse::<fuse_init_in>() else {
            return self.channel.fail(message.header.unique, libc::EPROTO);
        };
        let flags = FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_MAX_PAGES | FUSE_PARALLEL_DIROPS;
        let answer = fuse_init_out {
            max_readahead: asked.max_readahead,
            flags: asked.flags & flags,
            // RELEASE counts as background work. It must not queue behind other requests, out of
            // order.
            max_background: u16::MAX,
            congestion_threshold: u16::MAX,
            max_write: MAX_DATA as u32,
            time_gran: 1,
            max_pages: (MAX_DATA / 4096) as u16,
            ..fuse_init_out::default()
        };
        self.channel.reply(message.header.unique, &answer, &[]);
    }

    /// The token that interrupts the request.
    pub(super) fn token(&self, unique: u64) -> Interrupt {
        self.requests
            .lock()
            .get(&unique)
            .map(|request| request.token.clone())
            .unwrap_or_default()
    }

    /// Linux's number for an error of the module. A panic ends the mount.
    pub(super) fn error(&self, error: Errno) -> i32 {
        if error == Errno::PANICKED {
            self.finish(End::Panicked);
        }
        to_linux(error)
    }

    /// The requests that are being served.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().values().cloned().collect()
    }

    /// Waits until no request is being served. Returns false if this takes longer than `limit`.
    pub fn wait_idle(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut requests = self.requests.lock();
        while !requests.is_empty() {
            if self
                .finished
                .wait_until(&mut requests, deadline)
                .timed_out()
            {
                return requests.is_empty();
            }
        }
        true
    }

    /// How it has ended, if it has.
    pub fn end(&self) -> Option<End> {
        *self.end.lock()
    }

    /// Waits for the end.
    pub fn wait_end(&self) -> End {
        let mut end = self.end.lock();
        loop {
            match *end {
                Some(end) => return end,
                None => self.ended.wait(&mut end),
            }
        }
    }

    /// This is the end, unless there was another.
    pub fn finish(&self, how: End) {
        self.end.lock().get_or_insert(how);
        self.ended.notify_all();
        if how == End::Unmounted {
            self.lead.end();
            self.pending.end();
        }
    }
}
