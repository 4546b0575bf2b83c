//! The console: the printed text, by line.

use super::config::ConsoleSink;
use crate::machine::sync::Mutex;

/// The console.
pub struct Console {
    state: Mutex<State>,
    sink: Option<ConsoleSink>,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    /// A line that has not ended yet.
    partial: String,
}

impl Console {
    /// A console that also passes each line to `sink`.
    pub fn new(sink: Option<ConsoleSink>) -> Console {
        Console {
            state: Mutex::default(),
            sink,
        }
    }

    /// Prints `text`, which need not be whole lines.
    pub fn print(&self, text: &str) {
        let mut state = self.state.lock();
        state.partial.push_str(text);
        while let Some(end) = state.partial.find('\n') {
            let rest = state.partial.split_off(end + 1);
            let mut line = std::mem::replace(&mut state.partial, rest);
            line.pop();
            if let Some(sink) = &self.sink {
                sink(&line);
            }
            state.lines.push(line);
        }
    }

    /// All lines, with the one that has not ended yet.
    pub fn lines(&self) -> Vec<String> {
        let state = self.state.lock();
        let partial = (!state.partial.is_empty()).then(|| state.partial.clone());
        state.lines.iter().cloned().chain(partial).collect()
    }
}
