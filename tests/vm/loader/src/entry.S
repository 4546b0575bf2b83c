/*
 * Multiboot 1 header.  It loads the file unchanged at loader_begin, and enters
 * it at loader_start.
 */
	.set	MULTIBOOT_MAGIC, 0x1badb002
	.set	MULTIBOOT_FLAGS, 0x10003	/* files at pages; memory map; addresses follow */

	.section .multiboot, "a"
	.balign	4
multiboot_header:
	.long	MULTIBOOT_MAGIC
	.long	MULTIBOOT_FLAGS
	.long	-(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)
	.long	multiboot_header
	.long	loader_begin
	.long	loader_image_end
	.long	loader_end
	.long	loader_start

/*
 * Page tables, which map the first GB of memory, in pages of 2 MB, at every
 * multiple of 1 GB.
 */
	.set	PG_V_RW, 0x003			/* there, writable */
	.set	PG_V_RW_PS, 0x083		/* and a page, not a table */

	.section .data.page_tables, "aw"
	.balign	4096
pml4:	.rept	512
	.quad	pdp + PG_V_RW
	.endr
pdp:	.rept	512
	.quad	pd + PG_V_RW
	.endr
pd:	.set	address, 0
	.rept	512
	.quad	address + PG_V_RW_PS
	.set	address, address + 0x200000
	.endr

	.balign	8
gdt:	.quad	0
	.quad	0x00209a0000000000		/* 0x08: 64-bit code */
	.quad	0x0000920000000000		/* 0x10: data */
gdt_pointer:
	.word	. - gdt - 1
	.long	gdt

	.bss
	.balign	16
	.space	65536
stack:

/*
 * 32-bit, without paging, interrupts off.  %ebx is the physical address of the
 * Multiboot information.
 */
	.text
	.code32
	.globl	loader_start
loader_start:
	movl	$pml4, %eax
	movl	%eax, %cr3
	movl	$0x20, %eax			/* CR4_PAE */
	movl	%eax, %cr4
	movl	$0xc0000080, %ecx		/* MSR_EFER */
	rdmsr
	orl	$0x100, %eax			/* EFER_LME */
	wrmsr
	movl	%cr0, %eax
	orl	$0x80000001, %eax		/* CR0_PG | CR0_PE */
	movl	%eax, %cr0
	lgdt	gdt_pointer
	ljmp	$0x08, $long_mode

	.code64
long_mode:
	movl	$0x10, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movq	$stack, %rsp
	xorl	%ebp, %ebp
	movl	%ebx, %edi
	call	loader_main

	.globl	halt
halt:	cli
	hlt
	jmp	halt

/*
 * enter_kernel(entry, modulep, physfree).  The kernel's stack has 32 bits each
 * of an unused return address, modulep and physfree.
 */
	.globl	enter_kernel
enter_kernel:
	movl	%edx, %edx
	pushq	%rdx
	shlq	$32, %rsi
	pushq	%rsi
	jmp	*%rdi
