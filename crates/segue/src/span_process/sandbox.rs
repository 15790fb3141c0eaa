//! How a child shuts itself in, before it touches a byte of media.
//!
//! Decided here: what a decoder that has been taken over could still do, which is to compute, to
//! read the descriptors it was given, and to write to its parent. No file, socket, program, other
//! process or device. Whatever the kernel cannot enforce is said, never passed over.
//!
//! File access is denied twice: by Landlock, which knows files, and by seccomp, which knows calls.
//! Either alone has gaps (Landlock lets metadata be changed; seccomp cannot see what a future call
//! does), and old kernels and containers lack one or the other.
//!
//! Must run while the process has one thread: Landlock binds the calling thread and those it
//! starts later.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;

use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetStatus, Scope};
use rustix::net::{AddressFamily, SocketType};
use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::protocol::SandboxCheck;

/// Open files: three streams, the source, and a few of libav's.
const FILES_MAX: u64 = 64;

/// Shuts this process in for good. Returns what could not be enforced, a line for each.
pub fn enter() -> Vec<String> {
    let mut unenforced = Vec::new();
    prefer_for_out_of_memory();
    limit_resources(&mut unenforced);
    if let Err(error) = rustix::thread::set_no_new_privs(true) {
        unenforced.push(format!("privileges can be gained: {error}"));
    }
    if let Err(reason) = enter_landlock() {
        unenforced.push(reason);
    }
    if let Err(reason) = enter_seccomp() {
        unenforced.push(reason);
    }
    unenforced
}

/// When memory runs out the kernel should take a span, not the parent with all of them. Where
/// `/proc` is not mounted the kernel chooses for itself.
fn prefer_for_out_of_memory() {
    let _ = fs::write("/proc/self/oom_score_adj", "500");
}

fn limit_resources(unenforced: &mut Vec<String>) {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    // 8 GiB to use (8K HEVC takes about 4), and per core what glibc's arenas reserve without use.
    let address_space = (8 << 30) + cores * (512 << 20);
    for (name, resource, limit) in [
        ("core dumps", Resource::Core, 0),
        ("written files", Resource::Fsize, 0),
        ("open files", Resource::Nofile, FILES_MAX),
        ("memory", Resource::As, address_space),
    ] {
        // A lower limit that is there already stays.
        let hard = rustix::process::getrlimit(resource).maximum;
        let limit = hard.map_or(limit, |hard| hard.min(limit));
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        if let Err(error) = setrlimit(resource, limit) {
            unenforced.push(format!("no limit on {name}: {error}"));
        }
    }
}

/// Allows nothing at all: what a child needs, it holds open.
fn enter_landlock() -> Result<(), String> {
    // The newest rules that the crate knows; the kernel takes those that it knows.
    let abi = ABI::V6;
    let restricted = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(abi)))
        .and_then(|rules| rules.scope(Scope::from_all(abi)))
        .and_then(|rules| rules.create())
        .and_then(|rules| rules.restrict_self());
    match restricted.map(|status| status.ruleset) {
        Ok(RulesetStatus::FullyEnforced) => Ok(()),
        Ok(RulesetStatus::PartiallyEnforced) => {
            Err("Landlock is old on this kernel: newer rules are left to seccomp".to_owned())
        }
        Ok(RulesetStatus::NotEnforced) => {
            Err("Landlock is not available on this kernel: files are fenced off by seccomp alone"
                .to_owned())
        }
        Err(error) => Err(format!("Landlock could not be set up: {error}")),
    }
}

fn enter_seccomp() -> Result<(), String> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)
        .map_err(|_| format!("no seccomp rules for {}", std::env::consts::ARCH))?;
    let install = |rules, answer| -> Result<(), String> {
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, answer, arch)
            .and_then(BpfProgram::try_from)
            .map_err(|error| format!("seccomp rules are refused: {error}"))?;
        seccompiler::apply_filter_all_threads(&filter)
            .map_err(|error| format!("seccomp is not available on this kernel: {error}"))
    };
    // clone3 keeps its flags in memory, where no filter can see them. Told that it does not exist,
    // glibc falls back to clone.
    let absent = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    install(absent, SeccompAction::Errno(libc::ENOSYS as u32))?;
    let rules = denied().map_err(|error| format!("seccomp rules are refused: {error}"))?;
    install(rules, SeccompAction::Errno(libc::EPERM as u32))
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn denied() -> Result<Rules, seccompiler::BackendError> {
    let mut rules: Rules =
        DENIED.iter().chain(SUPERSEDED).map(|call| (*call, Vec::new())).collect();
    #[cfg(target_arch = "x86_64")]
    deny_second_abi(&mut rules);

    let when = |argument, length, op, value| {
        SeccompRule::new(vec![SeccompCondition::new(argument, length, op, value)?])
    };
    use SeccompCmpArgLen::{Dword, Qword};
    // Threads are clones too.
    let thread = libc::CLONE_THREAD as u64;
    rules.insert(libc::SYS_clone, vec![when(0, Qword, SeccompCmpOp::MaskedEq(thread), 0)?]);
    // abort() signals itself; so does a child whose parent is gone.
    let own = u64::from(std::process::id());
    for call in [libc::SYS_kill, libc::SYS_tgkill] {
        rules.insert(call, vec![when(0, Dword, SeccompCmpOp::Ne, own)?]);
    }
    // glibc asks for its own limits with it.
    rules.insert(libc::SYS_prlimit64, vec![when(0, Dword, SeccompCmpOp::Ne, 0)?]);
    // Threads are named by prctl, but nobody may outlive the parent.
    let death_signal = libc::PR_SET_PDEATHSIG as u64;
    rules.insert(libc::SYS_prctl, vec![when(0, Dword, SeccompCmpOp::Eq, death_signal)?]);
    Ok(rules)
}

/// x86-64 kernels may offer most calls a second time (x32), under numbers of their own.
#[cfg(target_arch = "x86_64")]
fn deny_second_abi(rules: &mut Rules) {
    const X32: i64 = 0x4000_0000;
    let conditional =
        [libc::SYS_clone, libc::SYS_clone3, libc::SYS_kill, libc::SYS_tgkill, libc::SYS_prctl];
    let own_numbers = 512..=547;
    let twins = DENIED.iter().chain(SUPERSEDED).copied().chain(conditional).chain(own_numbers);
    rules.extend(twins.map(|call| (X32 | call, Vec::new())));
}

/// Calls that media never needs, on either architecture.
const DENIED: &[i64] = &[
    // Networks, and sockets of any kind.
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    // Programs and other processes.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_setsid,
    libc::SYS_setpgid,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_mq_open,
    // Files: opening, and changing what is there by name.
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_truncate,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_chdir,
    libc::SYS_fchdir,
    libc::SYS_chroot,
    libc::SYS_memfd_create,
    libc::SYS_inotify_init1,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    // Mounts and name spaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_quotactl,
    libc::SYS_acct,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    // Parts of the kernel with a history.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_perf_event_open,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_personality,
    libc::SYS_lookup_dcookie,
    libc::SYS_vhangup,
    // The machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_syslog,
    // Identities.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
];

/// The older forms of the above that only older architectures have.
#[cfg(target_arch = "x86_64")]
const SUPERSEDED: &[i64] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_open,
    libc::SYS_creat,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_mknod,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_inotify_init,
    libc::SYS_kexec_file_load,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS__sysctl,
];
/// The older forms of the above that only older architectures have.
#[cfg(not(target_arch = "x86_64"))]
const SUPERSEDED: &[i64] = &[];

/// Tries what must be denied. For tests, and for whoever wants to know what a machine can do.
pub fn check() -> SandboxCheck {
    let mut check = SandboxCheck::default();
    let mut note = |attempt: &str, succeeded: bool| {
        let list = if succeeded { &mut check.allowed } else { &mut check.denied };
        list.push(attempt.to_owned());
    };
    note("read a file", fs::File::open("/etc/passwd").is_ok());
    let scratch = std::env::temp_dir().join(format!("segue-sandbox-{}", std::process::id()));
    let written = fs::File::create(&scratch).and_then(|mut file| file.write_all(b"written"));
    note("write a file", written.is_ok());
    let _ = fs::remove_file(&scratch);
    note("make a directory", fs::create_dir(&scratch).is_ok());
    let _ = fs::remove_dir(&scratch);
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None);
    note("open a network socket", socket.is_ok());
    note("open a local socket", std::os::unix::net::UnixStream::pair().is_ok());
    let spawned = std::process::Command::new("/proc/self/exe").arg("--version").output();
    note("run a program", spawned.is_ok());
    let parent = rustix::process::getppid();
    let signalled = parent.map(rustix::process::test_kill_process);
    note("signal its parent", matches!(signalled, Some(Ok(()))));
    let bound = rustix::process::parent_process_death_signal() == Ok(Some(Signal::KILL));
    let unbound = rustix::process::set_parent_process_death_signal(None);
    note("outlive its parent", !bound || unbound.is_ok());
    check
}
