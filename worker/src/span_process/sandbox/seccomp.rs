//! Which system calls are left to a child: those on a list, some of them in certain forms only.
//!
//! Decided here: what it takes to compute in threads, to read descriptors, to write to the parent
//! and to end. Any other call is refused with EPERM, so a call that some later kernel adds is
//! refused too, and so are x32's, which have numbers of their own. Refusing kills nobody: glibc and
//! libav try more than they need (`/proc/sys/vm/overcommit_memory`, `/sys/devices/system/cpu`) and
//! do without. Only calls of another architecture (i386 on x86-64) kill, which no honest code makes.
//!
//! The list is what traces of real work show, over every decoder and the encoders, and what glibc
//! and Rust do in a panic, in abort() and where the vDSO does not answer.
//!
//! No call on it takes a path. That leaves out `statx` and `newfstatat`, although `File::metadata`
//! and the fstat() of glibc 2.33 to 2.38 ask with them what an open descriptor is: a filter cannot
//! see whether a name comes along. So nothing that a child runs may rely on either.
//!
//! No memory becomes code, so nothing that a child runs may load a library or compile.

use std::collections::BTreeMap;

use seccompiler::SeccompCmpArgLen::{Dword, Qword};
use seccompiler::SeccompCmpOp::{Eq, Gt, Lt, MaskedEq};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

/// Leaves this process, all its threads, nothing but the list.
pub(super) fn enter() -> Result<(), String> {
    for filter in filters(std::process::id())? {
        seccompiler::apply_filter_all_threads(&filter)
            .map_err(|error| format!("seccomp is not available on this kernel: {error}"))?;
    }
    Ok(())
}

/// What to install, in order, in the process `own`.
fn filters(own: u32) -> Result<[BpfProgram; 2], String> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)
        .map_err(|_| format!("no seccomp rules for {}", std::env::consts::ARCH))?;
    let program = |rules: Result<Rules, BackendError>, listed, unlisted| {
        rules
            .and_then(|rules| SeccompFilter::new(rules, unlisted, listed, arch))
            .and_then(BpfProgram::try_from)
            .map_err(|error| format!("seccomp rules are refused: {error}"))
    };
    let absent = SeccompAction::Errno(libc::ENOSYS as u32);
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    Ok([
        program(Ok(unconditional(ABSENT)), absent, SeccompAction::Allow)?,
        program(allowed(own), SeccompAction::Allow, refused)?,
    ])
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn unconditional(calls: &[i64]) -> Rules {
    calls.iter().map(|call| (*call, Vec::new())).collect()
}

/// A call is allowed if one of its rules holds, or if it has none.
fn allowed(own: u32) -> Result<Rules, BackendError> {
    let mut rules = unconditional(ALLOWED);
    // Of two filters the stricter answer counts: these are let through to be answered as absent.
    rules.extend(unconditional(ABSENT));
    rules.extend(unconditional(VDSO_FALLBACKS));

    let when = |argument, length, op, value| {
        SeccompRule::new(vec![SeccompCondition::new(argument, length, op, value)?])
    };
    // Neither at once nor one after the other is memory written and run.
    let no_code = when(2, Qword, MaskedEq(libc::PROT_EXEC as u64), 0)?;
    rules.insert(libc::SYS_mmap, vec![no_code.clone()]);
    rules.insert(libc::SYS_mprotect, vec![no_code]);
    // With these two an administrator takes pages from the whole machine. Above them are the guards
    // that newer glibc puts before stacks.
    let (poison, offline) = (libc::MADV_HWPOISON as u64, libc::MADV_SOFT_OFFLINE as u64);
    let of_its_own = vec![when(2, Dword, Lt, poison)?, when(2, Dword, Gt, offline)?];
    rules.insert(libc::SYS_madvise, of_its_own);
    // Threads are clones, but not every clone is a thread in the same name spaces.
    let thread = libc::CLONE_THREAD as u64;
    let thread_here = when(0, Qword, MaskedEq(thread | NAME_SPACES), thread)?;
    rules.insert(libc::SYS_clone, vec![thread_here]);
    // abort() signals itself; so does a child whose parent is gone.
    for call in [libc::SYS_kill, libc::SYS_tgkill] {
        rules.insert(call, vec![when(0, Dword, Eq, own.into())?]);
    }
    // glibc asks for its own limits with it.
    let ask_own =
        vec![SeccompCondition::new(0, Dword, Eq, 0)?, SeccompCondition::new(2, Qword, Eq, 0)?];
    rules.insert(libc::SYS_prlimit64, vec![SeccompRule::new(ask_own)?]);
    let one_of = |argument, values: &[libc::c_int]| -> Result<Vec<_>, BackendError> {
        values.iter().map(|value| when(argument, Dword, Eq, *value as u64)).collect()
    };
    rules.insert(libc::SYS_fcntl, one_of(1, FCNTL_COMMANDS)?);
    rules.insert(libc::SYS_prctl, one_of(0, PRCTL_OPTIONS)?);
    Ok(rules)
}

/// Calls said not to exist: clone3 keeps its flags in memory, where no filter can see them. glibc
/// falls back to clone, but only for this answer.
const ABSENT: &[i64] = &[libc::SYS_clone3];

/// Calls that are allowed in every form.
const ALLOWED: &[i64] = &[
    // Descriptors it holds. Orders come by recvmsg, with descriptors; glibc's last words leave by
    // writev.
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_recvmsg,
    libc::SYS_close,
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    // Threads, and how many are worth having.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_gettid,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_exit,
    // Its own signals, and going on after one.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    // Sleep.
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    // Seeds of hash maps; how much qsort() may allocate; who it is and who its parent.
    libc::SYS_getrandom,
    libc::SYS_sysinfo,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_exit_group,
];

/// Clocks, which mostly answer without a call, but not on every machine.
const VDSO_FALLBACKS: &[i64] = &[
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
];

/// What may be done to a descriptor. F_SETOWN and F_SETSIG would send signals to others.
const FCNTL_COMMANDS: &[libc::c_int] =
    &[libc::F_DUPFD_CLOEXEC, libc::F_GETFD, libc::F_SETFD, libc::F_GETFL];

/// Threads are named; nothing else about the process is changed.
const PRCTL_OPTIONS: &[libc::c_int] =
    &[libc::PR_SET_NAME, libc::PR_GET_NAME, libc::PR_GET_PDEATHSIG];

const NAME_SPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u64;

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: u32 = 4321;
    const OTHER: u64 = 4320;

    /// What a kernel sees of a call, as the filters read it: number, architecture, where it came
    /// from, six arguments.
    fn seen(call: i64, arguments: &[u64]) -> Vec<u32> {
        let arch = match std::env::consts::ARCH {
            "x86_64" => 0xc000_003e,
            "aarch64" => 0xc000_00b7,
            other => panic!("no architecture number for {other}"),
        };
        let halves = |value: &u64| [*value as u32, (*value >> 32) as u32];
        let mut words = vec![call as u32, arch, 0, 0];
        words.extend(arguments.iter().flat_map(halves));
        words.resize(16, 0);
        words
    }

    /// Runs a filter as a kernel does.
    fn run(filter: &BpfProgram, seen: &[u32]) -> u32 {
        let (mut at, mut register) = (0, 0);
        loop {
            let step = &filter[at];
            at += 1;
            let jump = |holds| usize::from(if holds { step.jt } else { step.jf });
            match step.code {
                0x20 => register = seen[step.k as usize / 4],
                0x54 => register &= step.k,
                0x05 => at += step.k as usize,
                0x15 => at += jump(register == step.k),
                0x25 => at += jump(register > step.k),
                0x35 => at += jump(register >= step.k),
                0x06 => return step.k,
                code => panic!("an instruction the generator did not use: {code:#x}"),
            }
        }
    }

    const ALLOWED_ANSWER: u32 = libc::SECCOMP_RET_ALLOW;
    const REFUSED: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;

    /// What a kernel answers with all filters in place: the strictest, of equals the newest's.
    fn answer(call: i64, arguments: &[u64]) -> u32 {
        let answers = filters(OWN).unwrap().map(|filter| run(&filter, &seen(call, arguments)));
        let strictness = |answer: &u32| (answer & libc::SECCOMP_RET_ACTION_FULL) as i32;
        answers.into_iter().rev().min_by_key(strictness).unwrap()
    }

    fn assert_each(expected: u32, cases: &[(&str, i64, &[u64])]) {
        for (what, call, arguments) in cases {
            assert_eq!(answer(*call, arguments), expected, "{what}: {call} {arguments:x?}");
        }
    }

    const READ: u64 = libc::PROT_READ as u64;
    const WRITE: u64 = libc::PROT_WRITE as u64;
    const EXEC: u64 = libc::PROT_EXEC as u64;
    /// The flags of pthread_create() in glibc.
    const THREAD: u64 = 0x3d_0f00;

    #[test]
    fn work_and_a_decent_end_are_allowed() {
        assert_each(
            ALLOWED_ANSWER,
            &[
                ("read the source", libc::SYS_pread64, &[4]),
                ("ask for its size", libc::SYS_lseek, &[4, 0, libc::SEEK_END as u64]),
                ("take an order", libc::SYS_recvmsg, &[0]),
                ("answer it", libc::SYS_write, &[3]),
                ("get memory", libc::SYS_mmap, &[0, 4096, READ | WRITE, 0x22, u64::MAX]),
                ("guard a stack", libc::SYS_mprotect, &[0x7f00_0000_0000, 4096, 0]),
                ("give memory back", libc::SYS_madvise, &[0, 4096, libc::MADV_DONTNEED as u64]),
                ("guard a stack with newer glibc", libc::SYS_madvise, &[0, 4096, 102]),
                ("start a thread", libc::SYS_clone, &[THREAD]),
                ("name a thread", libc::SYS_prctl, &[libc::PR_SET_NAME as u64]),
                ("copy a descriptor", libc::SYS_fcntl, &[3, libc::F_DUPFD_CLOEXEC as u64, 3]),
                ("ask for its limits", libc::SYS_prlimit64, &[0, 3, 0, 0x7f00_0000_0000]),
                ("abort", libc::SYS_tgkill, &[OWN.into(), 4325, libc::SIGABRT as u64]),
                ("end itself", libc::SYS_kill, &[OWN.into(), libc::SIGKILL as u64]),
                ("return from a handler", libc::SYS_rt_sigreturn, &[]),
                ("go on after a stop", libc::SYS_restart_syscall, &[]),
            ],
        );
    }

    #[test]
    fn a_call_whose_flags_cannot_be_seen_does_not_exist() {
        let absent = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
        assert_each(absent, &[("clone3", libc::SYS_clone3, &[])]);
    }

    #[test]
    fn calls_that_are_not_listed_are_refused() {
        assert_each(
            REFUSED,
            &[
                ("look up a file", libc::SYS_newfstatat, &[]),
                ("look up a file", libc::SYS_statx, &[4, 0, libc::AT_EMPTY_PATH as u64]),
                ("ask for a file", libc::SYS_faccessat, &[]),
                ("ask for a file", libc::SYS_faccessat2, &[]),
                ("read a link", libc::SYS_readlinkat, &[]),
                ("open a file", libc::SYS_openat, &[]),
                ("change a mode", libc::SYS_fchmodat, &[]),
                ("change a mode", 452, &[]), // fchmodat2
                ("set an attribute", libc::SYS_setxattr, &[]),
                ("set an attribute", 463, &[]), // setxattrat
                ("list a directory", libc::SYS_getdents64, &[]),
                ("control a device", libc::SYS_ioctl, &[]),
                ("make a message queue", libc::SYS_mq_open, &[]),
                ("remove a message queue", libc::SYS_mq_unlink, &[]),
                ("make a message queue", libc::SYS_msgget, &[]),
                ("change a message queue", libc::SYS_msgctl, &[]),
                ("change semaphores", libc::SYS_semctl, &[]),
                ("share memory", libc::SYS_shmget, &[]),
                ("set a priority", libc::SYS_setpriority, &[]),
                ("set a disk priority", libc::SYS_ioprio_set, &[]),
                ("choose cores", libc::SYS_sched_setaffinity, &[]),
                ("set a scheduler", libc::SYS_sched_setscheduler, &[]),
                ("set a scheduler", libc::SYS_sched_setattr, &[]),
                ("take memory from others", libc::SYS_process_mrelease, &[]),
                ("move others' memory", libc::SYS_move_pages, &[]),
                ("run a program", libc::SYS_execve, &[]),
                ("make memory code by its key", libc::SYS_pkey_mprotect, &[0, 4096, READ, 0]),
                ("make a socket", libc::SYS_socket, &[]),
                ("send a descriptor", libc::SYS_sendmsg, &[]),
                ("signal a thread", libc::SYS_tkill, &[]),
                ("change its filters", libc::SYS_seccomp, &[]),
            ],
        );
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn older_forms_and_the_second_abi_are_refused() {
        assert_each(
            REFUSED,
            &[
                ("look up a file", libc::SYS_stat, &[]),
                ("look up a file", libc::SYS_lstat, &[]),
                ("ask for a file", libc::SYS_access, &[]),
                ("read a link", libc::SYS_readlink, &[]),
                ("open a file", libc::SYS_open, &[]),
                ("start a process", libc::SYS_fork, &[]),
                ("start a process", libc::SYS_vfork, &[]),
            ],
        );
        const X32: i64 = 0x4000_0000;
        for call in (0..1024).chain([0x3fff_ffff]) {
            // Arguments with which calls of the first ABI are allowed.
            for arguments in [[0, 0, 0], [OWN.into(), 0, 0], [THREAD, 1, 0]] {
                assert_eq!(answer(X32 | call, &arguments), REFUSED, "{call} {arguments:x?}");
            }
        }
    }

    #[test]
    fn other_forms_of_listed_calls_are_refused() {
        const PROCESS: u64 = libc::SIGCHLD as u64;
        const POINTER: u64 = 0x7f00_0000_0000;
        // Only the lower half of it differs from none.
        const HIGH_POINTER: u64 = 0x7f00 << 32;
        assert_each(
            REFUSED,
            &[
                ("memory to write and run", libc::SYS_mmap, &[0, 4096, READ | WRITE | EXEC]),
                ("memory to run", libc::SYS_mmap, &[0, 4096, READ | EXEC]),
                ("run what was written", libc::SYS_mprotect, &[POINTER, 4096, READ | EXEC]),
                ("run what can be written", libc::SYS_mprotect, &[POINTER, 4096, WRITE | EXEC]),
                ("poison memory", libc::SYS_madvise, &[0, 4096, 100]),
                ("take memory away", libc::SYS_madvise, &[0, 4096, 101]),
                ("start a process", libc::SYS_clone, &[PROCESS]),
                ("start one as vfork does", libc::SYS_clone, &[0x4100 | PROCESS]),
                ("enter a network", libc::SYS_clone, &[THREAD | libc::CLONE_NEWNET as u64]),
                ("become root in a space", libc::SYS_clone, &[THREAD | libc::CLONE_NEWUSER as u64]),
                ("signal another process", libc::SYS_kill, &[OTHER]),
                ("signal its group", libc::SYS_kill, &[0]),
                ("signal its group", libc::SYS_kill, &[u64::from(OWN).wrapping_neg()]),
                ("signal everyone", libc::SYS_kill, &[u64::MAX]),
                ("signal another's thread", libc::SYS_tgkill, &[OTHER, OTHER]),
                ("change its limits", libc::SYS_prlimit64, &[0, 3, POINTER]),
                ("change its limits", libc::SYS_prlimit64, &[0, 3, HIGH_POINTER]),
                ("change another's limits", libc::SYS_prlimit64, &[OTHER, 3, POINTER]),
                ("ask for another's limits", libc::SYS_prlimit64, &[OTHER, 3, 0, POINTER]),
                ("signal by descriptor", libc::SYS_fcntl, &[3, libc::F_SETOWN as u64, OTHER]),
                ("choose that signal", libc::SYS_fcntl, &[3, 10, 9]),
                ("make it come", libc::SYS_fcntl, &[3, libc::F_SETFL as u64, libc::O_ASYNC as u64]),
                ("outlive its parent", libc::SYS_prctl, &[libc::PR_SET_PDEATHSIG as u64, 0]),
                ("be traced", libc::SYS_prctl, &[libc::PR_SET_DUMPABLE as u64, 1]),
            ],
        );
    }

    #[test]
    fn calls_of_another_architecture_are_not_taken_for_ours() {
        let mut seen = seen(libc::SYS_write, &[]);
        seen[1] = 0x4000_0003; // i386
        for filter in filters(OWN).unwrap() {
            assert_eq!(run(&filter, &seen), libc::SECCOMP_RET_KILL_PROCESS);
        }
    }
}
