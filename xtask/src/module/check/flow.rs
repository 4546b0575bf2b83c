//! The flow of control through a function, along every path.

use super::{Elf, Section, place};
use anyhow::Result;
use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction};
use object::{Object, ObjectSection, ObjectSymbol, Relocation, RelocationTarget, SymbolKind};
use std::collections::{BTreeMap, BTreeSet};

/// The destination of a branch.
enum Destination<'a> {
    /// To an offset into the same section.
    Here(u64),
    /// To an undefined symbol.
    Kernel(&'a str),
    /// To somewhere else.
    Unknown,
}

/// A section of code.
struct Code<'a, 'f> {
    file: &'f Elf<'a>,
    section: &'f Section<'a, 'f>,
    bytes: &'a [u8],
    relocations: BTreeMap<u64, Relocation>,
}

/// What is wrong with a function, given by its section and offset, that must end in a jump to the
/// undefined symbol `end` on every path. A path may also end in an instruction that traps, or in a
/// call that does not return.
pub fn ends_in<'a>(
    file: &Elf<'a>,
    section: &Section<'a, '_>,
    function: u64,
    end: &str,
) -> Result<BTreeSet<String>> {
    let code = Code {
        file,
        section,
        bytes: section.data()?,
        relocations: section.relocations().collect(),
    };
    let (mut wrong, mut seen, mut todo) = (BTreeSet::new(), BTreeSet::new(), vec![function]);
    while let Some(start) = todo.pop() {
        let Some(stop) = code.function_end(start) else {
            wrong.insert(format!(
                "it leaves the functions of this file at offset {start:#x}"
            ));
            continue;
        };
        let (mut at, mut called) = (start, false);
        while seen.insert(at) {
            let (instruction, destination) = code.decode(at);
            let here = || place(file, section, at);
            let flow = instruction.flow_control();
            if let FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch = flow {
                match destination {
                    Destination::Here(offset) => todo.push(offset),
                    Destination::Kernel(name) if name == end => {}
                    Destination::Kernel(name) => {
                        wrong.insert(format!("it jumps to {name} at {}", here()));
                    }
                    Destination::Unknown => {
                        wrong.insert(format!("an unknown jump at {}", here()));
                    }
                }
            }
            match flow {
                FlowControl::UnconditionalBranch | FlowControl::Exception => break,
                // The padding after a call that does not return.
                FlowControl::Interrupt if called => break,
                FlowControl::Next | FlowControl::ConditionalBranch => {}
                FlowControl::Call | FlowControl::IndirectCall => {}
                FlowControl::Return => {
                    wrong.insert(format!("it returns at {}", here()));
                    break;
                }
                _ => {
                    wrong.insert(format!("an unknown jump at {}", here()));
                    break;
                }
            }
            called = matches!(flow, FlowControl::Call | FlowControl::IndirectCall);
            at = instruction.next_ip();
            if at >= stop {
                if !called {
                    wrong.insert(format!(
                        "it runs over its end, {}",
                        place(file, section, stop)
                    ));
                }
                break;
            }
        }
    }
    Ok(wrong)
}

impl<'a> Code<'a, '_> {
    /// The end of the function that contains an offset.
    fn function_end(&self, offset: u64) -> Option<u64> {
        let functions = self.file.symbols().filter(|symbol| {
            symbol.kind() == SymbolKind::Text
                && symbol.section_index() == Some(self.section.index())
        });
        let mut extents =
            functions.map(|symbol| symbol.address()..symbol.address() + symbol.size());
        extents
            .find(|extent| extent.contains(&offset))
            .map(|extent| extent.end)
    }

    /// The instruction at an offset, and where it leads if it is a branch.
    fn decode(&self, at: u64) -> (Instruction, Destination<'a>) {
        let code = self.bytes.get(at as usize..).unwrap_or_default();
        let mut decoder = Decoder::with_ip(64, code, at, DecoderOptions::NONE);
        let instruction = decoder.decode();
        let operand = at
            + decoder
                .get_constant_offsets(&instruction)
                .immediate_offset() as u64;
        let destination = match self.relocations.get(&operand) {
            Some(relocation) if operand > at => {
                self.relocated(relocation).unwrap_or(Destination::Unknown)
            }
            _ => Destination::Here(instruction.near_branch_target()),
        };
        (instruction, destination)
    }

    /// The destination of a branch whose operand is filled in by a relocation. The addend counts
    /// from the operand, which has four bytes.
    fn relocated(&self, relocation: &Relocation) -> Option<Destination<'a>> {
        let RelocationTarget::Symbol(index) = relocation.target() else {
            return None;
        };
        let symbol = self.file.symbol_by_index(index).ok()?;
        if symbol.is_undefined() {
            return (relocation.addend() == -4).then_some(Destination::Kernel(symbol.name().ok()?));
        }
        let here = symbol.section_index() == Some(self.section.index());
        here.then(|| {
            Destination::Here(
                symbol
                    .address()
                    .wrapping_add_signed(relocation.addend() + 4),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::ends_in;
    use crate::module::check::fixture::Module;
    use crate::module::check::{Elf, leaving};
    use object::{Object, elf};

    /// What is wrong with a function `f` of this code, which must end in a jump to `end`. Each
    /// relocation fills in the operand at an offset. The function `g` after it also jumps to `end`.
    fn wrong(code: &[u8], relocations: &[(u64, &str)]) -> Vec<String> {
        let mut module = Module::good(&[0xc3]);
        let (_, f) = module.function("f", code);
        let (_, g) = module.function("g", &[0xe9, 0, 0, 0, 0]);
        for (at, name) in [&[(g - f + 1, "end")], relocations].concat() {
            let target = module.find(name).unwrap_or_else(|| module.import(name));
            module.relocate(module.text, f + at, elf::R_X86_64_PLT32, target, -4);
        }
        let bytes = module.bytes();
        let file = Elf::parse(&*bytes).unwrap();
        let (index, offset) = leaving::find(&file, "f").unwrap();
        let section = file.section_by_index(index).unwrap();
        ends_in(&file, &section, offset, "end")
            .unwrap()
            .into_iter()
            .collect()
    }

    #[test]
    fn a_jump_to_the_end() {
        assert!(wrong(&[0xe9, 0, 0, 0, 0], &[(1, "end")]).is_empty());
    }

    #[test]
    fn a_jump_elsewhere() {
        assert_eq!(
            wrong(&[0xe9, 0, 0, 0, 0], &[(1, "wakeup")]),
            ["it jumps to wakeup at f+0x0"]
        );
        assert_eq!(wrong(&[0xff, 0xe0], &[]), ["an unknown jump at f+0x0"]);
        assert_eq!(
            wrong(&[0xff, 0x25, 0, 0, 0, 0], &[(2, "end")]),
            ["an unknown jump at f+0x0"]
        );
    }

    #[test]
    fn a_return() {
        assert_eq!(
            wrong(&[0xe8, 0, 0, 0, 0, 0xc3], &[(1, "end")]),
            ["it returns at f+0x5"]
        );
    }

    #[test]
    fn both_sides_of_a_branch() {
        // je +5; jmp end; ret
        assert_eq!(
            wrong(&[0x74, 5, 0xe9, 0, 0, 0, 0, 0xc3], &[(3, "end")]),
            ["it returns at f+0x7"]
        );
        // je +1; ret; jmp end
        assert_eq!(
            wrong(&[0x74, 1, 0xc3, 0xe9, 0, 0, 0, 0], &[(4, "end")]),
            ["it returns at f+0x2"]
        );
        // je +5; jmp end; jmp end
        let code = [0x74, 5, 0xe9, 0, 0, 0, 0, 0xe9, 0, 0, 0, 0];
        assert!(wrong(&code, &[(3, "end"), (8, "end")]).is_empty());
        // je end; jmp end, and je wakeup; jmp end
        let code = [0x0f, 0x84, 0, 0, 0, 0, 0xe9, 0, 0, 0, 0];
        assert!(wrong(&code, &[(2, "end"), (7, "end")]).is_empty());
        assert_eq!(
            wrong(&code, &[(2, "wakeup"), (7, "end")]),
            ["it jumps to wakeup at f+0x0"]
        );
    }

    #[test]
    fn a_loop() {
        // je -2; jmp end
        assert!(wrong(&[0x74, 0xfe, 0xe9, 0, 0, 0, 0], &[(3, "end")]).is_empty());
    }

    #[test]
    fn a_jump_to_another_function() {
        assert!(wrong(&[0xe9, 0, 0, 0, 0], &[(1, "g")]).is_empty());
        assert_eq!(
            wrong(&[0xe9, 0, 0, 0, 0], &[(1, "echo_read")]),
            ["it returns at echo_read+0x0"]
        );
    }

    #[test]
    fn a_call_that_does_not_return() {
        assert!(wrong(&[0xe8, 0, 0, 0, 0], &[(1, "panic")]).is_empty());
        assert!(wrong(&[0xe8, 0, 0, 0, 0, 0x0f, 0x0b], &[(1, "panic")]).is_empty());
        assert!(wrong(&[0xe8, 0, 0, 0, 0, 0xcc], &[(1, "panic")]).is_empty());
        assert_eq!(wrong(&[0x90, 0xcc], &[]), ["an unknown jump at f+0x1"]);
    }

    #[test]
    fn running_over_the_end() {
        assert_eq!(wrong(&[0x90], &[]), ["it runs over its end, f+0x1"]);
        assert_eq!(
            wrong(&[0xeb, 0x20], &[]),
            ["it leaves the functions of this file at offset 0x32"]
        );
    }
}
