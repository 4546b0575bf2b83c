//! A process of a case. It is this program, started again, and makes the system calls that it
//! receives.

use crate::sys::LinuxSys;
use crate::wire::{Answer, Order, receive, receive_fds, send, send_fds};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use suite::agent::perform;
use suite::call::{decode, encode};

/// The environment variable that makes this program such a process. Its value is the device.
/// Standard input is the socket.
pub const DEVICE: &str = "ECHODEV_AGENT";

/// Makes calls until the other side ends.
pub fn main(device: PathBuf) -> ExitCode {
    let socket = io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map(UnixStream::from);
    let served = socket.and_then(|socket| serve(&socket, LinuxSys::new(device)));
    match served {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("agent: {error}");
            ExitCode::FAILURE
        }
        Ok(never) => never,
    }
}

fn serve(socket: &UnixStream, mut sys: LinuxSys) -> io::Result<ExitCode> {
    loop {
        let order = decode(&receive(socket)?).ok_or(io::ErrorKind::InvalidData)?;
        match order {
            Order::Call(call) => send(socket, &encode(&Answer::Reply(perform(&mut sys, call))))?,
            Order::Share => {
                let (numbers, fds): (Vec<_>, Vec<_>) = sys.descriptors().unzip();
                send(socket, &encode(&Answer::Shared(numbers)))?;
                send_fds(socket, &fds)?;
            }
            Order::Adopt(numbers) => {
                let fds: Vec<OwnedFd> = receive_fds(socket)?;
                sys.adopt(numbers.into_iter().zip(fds));
                send(socket, &encode(&Answer::Adopted))?;
            }
        }
    }
}
