//! The instructions that code in the kernel must not have.

use super::{Elf, place};
use anyhow::{Context, Result};
use iced_x86::{
    CpuidFeature, Decoder, DecoderOptions, Formatter, GasFormatter, Instruction,
    InstructionInfoFactory, Register,
};
use object::{Object, ObjectSection, SectionKind};

/// The padding of code to a whole page, int3.
const PADDING: u8 = 0xcc;

/// The size of all code without its padding, and what is wrong with it. The kernel does not save
/// the floating-point state of a thread in the kernel. Interrupts overwrite what is below the stack
/// pointer.
pub fn instructions(file: &Elf<'_>) -> Result<(usize, Vec<String>)> {
    let (mut size, mut wrong) = (0, Vec::new());
    for section in file.sections() {
        if section.kind() != SectionKind::Text {
            continue;
        }
        let code = section
            .data()
            .with_context(|| format!("cannot read section {}", section.name().unwrap_or("?")))?;
        size += code
            .iter()
            .rposition(|byte| *byte != PADDING)
            .map_or(0, |last| last + 1);
        let mut infos = InstructionInfoFactory::new();
        for instruction in &mut Decoder::with_ip(64, code, 0, DecoderOptions::NONE) {
            if let Some(fault) = fault(&instruction, &mut infos) {
                let mut shown = String::new();
                GasFormatter::new().format(&instruction, &mut shown);
                let at = place(file, &section, instruction.ip());
                wrong.push(format!("{fault} at {at}: {shown}"));
            }
        }
    }
    Ok((size, wrong))
}

fn fault(instruction: &Instruction, infos: &mut InstructionInfoFactory) -> Option<&'static str> {
    if instruction.is_invalid() {
        return Some("no instruction");
    }
    let general = |feature: &CpuidFeature| {
        use CpuidFeature::*;
        matches!(
            feature,
            INTEL8086
                | INTEL186
                | INTEL286
                | INTEL386
                | INTEL486
                | X64
                | CMOV
                | MULTIBYTENOP
                | CPUID
                | CX8
                | PAUSE
        )
    };
    let info = infos.info(instruction);
    let vector = info.used_registers().iter().any(|used| {
        let register = used.register();
        register.is_vector_register() || register.is_mm() || register.is_st() || register.is_k()
    });
    if vector || !instruction.cpuid_features().iter().all(general) {
        return Some("SSE, MMX, x87 or later instruction");
    }
    let below = |used: &iced_x86::UsedMemory| {
        used.base() == Register::RSP
            && used.index() == Register::None
            && (used.displacement() as i64) < 0
    };
    // A push and a call write below the stack pointer that they start from, and move it.
    if !instruction.is_stack_instruction() && info.used_memory().iter().any(below) {
        return Some("use of the red zone");
    }
    None
}

#[cfg(test)]
mod tests {
    use crate::module::check::fixture::Module;

    #[test]
    fn instructions_that_need_saved_state() {
        // movaps %xmm0,(%rdi); fld1; movq %mm0,(%rdi); sarx
        for code in [
            &[0x0f, 0x29, 0x07][..],
            &[0xd9, 0xe8],
            &[0x0f, 0x7f, 0x07],
            &[0xc4, 0xe2, 0xfa, 0xf7, 0xc7],
        ] {
            let found = Module::good(code).check();
            assert!(
                found.starts_with("SSE, MMX, x87 or later instruction at echo_read+0x0:"),
                "{found}"
            );
        }
    }

    #[test]
    fn the_red_zone() {
        // push %rbp; mov %rdi,-0x8(%rsp); ret
        let found = Module::good(&[0x55, 0x48, 0x89, 0x7c, 0x24, 0xf8, 0xc3]).check();
        assert!(
            found.starts_with("use of the red zone at echo_read+0x1:"),
            "{found}"
        );
    }

    #[test]
    fn padding_is_not_text() {
        let found = Module::good(&[0xc3, 0xcc, 0xcc, 0xcc]).check();
        assert!(found.contains(" 1 of text"), "{found}");
    }
}
