//! How a command's process is shut in before it becomes ffmpeg. Unlike a span process it is a program of
//! somebody else's that opens files by name, so Landlock says which: without Landlock nothing is run.
//!
//! Decided here: files (its scratch directory, its inputs, the system's libraries and fonts, the GPU),
//! network (the loopback port that its inputs come by, or all where that is allowed), no other
//! process, no program but itself, no privileges, limits. What the kernel cannot enforce is said.
//!
//! System calls are fenced off by a list of what is refused, not by one of what is allowed as in span
//! processes: GPU drivers and other builds of ffmpeg need more than could be listed.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, setrlimit};
use seccompiler::SeccompCmpArgLen::Dword;
use seccompiler::SeccompCmpOp::{Eq, MaskedEq, Ne};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

use super::exec::Order;

/// What libraries read: themselves, fonts, drivers and their settings, clocks.
const SYSTEM: &[&str] = &[
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share",
    "/usr/local/share",
    "/nix/store",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/fonts",
    "/etc/OpenCL",
    "/etc/vulkan",
    "/etc/glvnd",
    "/etc/localtime",
    "/etc/drirc",
    "/var/cache/fontconfig",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices",
    "/sys/dev",
    "/sys/class/drm",
    "/sys/bus/pci",
    "/dev/urandom",
    "/dev/random",
    "/dev/zero",
];
/// What the network needs beside: names and certificates.
const SYSTEM_NETWORK: &[&str] = &[
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust",
    "/etc/ca-certificates",
    "/run/systemd/resolve",
];
/// Loaders of programs; exec opens them.
const LOADERS: &[&str] = &[
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
    "/lib/ld-linux-armhf.so.3",
    "/lib64/ld-linux-riscv64-lp64d.so.1",
];
/// GPUs.
const DEVICES: &[&str] = &[
    "/dev/dri",
    "/dev/kfd",
    "/dev/nvidiactl",
    "/dev/nvidia0",
    "/dev/nvidia1",
    "/dev/nvidia2",
    "/dev/nvidia3",
    "/dev/nvidia-uvm",
    "/dev/nvidia-uvm-tools",
    "/dev/nvidia-modeset",
    "/dev/nvidia-caps",
    "/dev/mpp_service",
    "/dev/rga",
    "/dev/dma_heap",
    "/dev/iep",
];
const FILES_MAX: u64 = 4096;

/// Shuts this process in for good. Says what could not be enforced, a line for each.
pub fn enter(order: &Order) -> Result<Vec<String>, String> {
    let mut unenforced = Vec::new();
    // When memory runs out a command should go, not the worker.
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
    for (name, resource, limit) in [
        ("core dumps", Resource::Core, 0),
        ("written files", Resource::Fsize, order.file_max),
        ("open files", Resource::Nofile, FILES_MAX),
    ] {
        // A lower limit that is there already stays.
        let hard = rustix::process::getrlimit(resource).maximum;
        let limit = hard.map_or(limit, |hard| hard.min(limit));
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        if let Err(error) = setrlimit(resource, limit) {
            unenforced.push(format!("no limit on {name}: {error}"));
        }
    }
    rustix::thread::set_no_new_privs(true).map_err(|error| format!("privileges: {error}"))?;
    enter_landlock(order, &mut unenforced)?;
    for filter in filters(order, std::process::id())? {
        seccompiler::apply_filter_all_threads(&filter)
            .map_err(|error| format!("seccomp is not available on this kernel: {error}"))?;
    }
    Ok(unenforced)
}

fn existing(paths: &[&str]) -> Vec<PathBuf> {
    paths.iter().map(PathBuf::from).filter(|path| path.exists()).collect()
}

fn enter_landlock(order: &Order, unenforced: &mut Vec<String>) -> Result<(), String> {
    let abi = ABI::V6;
    let fails = |error: RulesetError| format!("Landlock could not be set up: {error}");
    let everything = AccessFs::from_all(abi);
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let device = read | AccessFs::WriteFile | AccessFs::IoctlDev;
    // Files and directories, no links: we look into these from outside.
    let write = read
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer;
    let mut readable = existing(SYSTEM);
    if order.network {
        readable.extend(existing(SYSTEM_NETWORK));
    }
    readable.extend(order.readable.iter().cloned());
    // The libraries of a build that has its own.
    readable.extend(order.program.parent().and_then(Path::parent).map(|at| at.join("lib")));
    let mut programs = existing(LOADERS);
    programs.push(order.program.clone());
    let sinks = [PathBuf::from("/dev/null")];

    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(everything)
        .map_err(fails)?;
    if !order.network {
        rules = rules.handle_access(AccessNet::from_all(abi)).map_err(fails)?;
    }
    let mut rules = rules
        .scope(Scope::from_all(abi))
        .and_then(|rules| rules.create())
        .and_then(|rules| rules.add_rules(path_beneath_rules(&readable, read)))
        .and_then(|rules| {
            rules.add_rules(path_beneath_rules(&programs, AccessFs::Execute | AccessFs::ReadFile))
        })
        .and_then(|rules| rules.add_rules(path_beneath_rules(&order.writable, write)))
        .and_then(|rules| rules.add_rules(path_beneath_rules(existing(DEVICES), device)))
        .and_then(|rules| rules.add_rules(path_beneath_rules(sinks, read | AccessFs::WriteFile)))
        .map_err(fails)?;
    if let (Some(port), false) = (order.port, order.network) {
        rules = rules.add_rule(NetPort::new(port, AccessNet::ConnectTcp)).map_err(fails)?;
    }
    match rules.restrict_self().map_err(fails)?.ruleset {
        RulesetStatus::FullyEnforced => Ok(()),
        RulesetStatus::PartiallyEnforced => {
            unenforced.push(
                "Landlock is old on this kernel: commands may connect to any TCP port, signal others \
                 of the same user, or control devices that they hold"
                    .to_owned(),
            );
            Ok(())
        }
        RulesetStatus::NotEnforced => Err(
            "Landlock is not available on this kernel (5.13 and later have it, unless it is left out \
             of the `lsm=` list): commands could read every file of this machine, so none are run"
                .to_owned(),
        ),
    }
}

type Rules = std::collections::BTreeMap<i64, Vec<SeccompRule>>;

/// What to install, in order, in the process `own`.
fn filters(order: &Order, own: u32) -> Result<[BpfProgram; 2], String> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)
        .map_err(|_| format!("no seccomp rules for {}", std::env::consts::ARCH))?;
    let program = |rules: Rules, errno: i32| {
        let answer = SeccompAction::Errno(errno as u32);
        SeccompFilter::new(rules, SeccompAction::Allow, answer, arch)
            .and_then(BpfProgram::try_from)
            .map_err(|error| format!("seccomp rules are refused: {error}"))
    };
    // clone3 keeps its flags where no filter can see them; glibc falls back to clone.
    let absent = Rules::from([(libc::SYS_clone3, Vec::new())]);
    let refused = refused(order, own).map_err(|error| format!("seccomp rules: {error}"))?;
    Ok([program(absent, libc::ENOSYS)?, program(refused, libc::EPERM)?])
}

fn refused(order: &Order, own: u32) -> Result<Rules, BackendError> {
    let when = |argument, op, value| {
        SeccompRule::new(vec![SeccompCondition::new(argument, Dword, op, value)?])
    };
    let mut rules: Rules = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    // Threads are clones, other processes are not its own.
    rules.insert(libc::SYS_clone, vec![when(0, MaskedEq(libc::CLONE_THREAD as u64), 0)?]);
    for call in [libc::SYS_kill, libc::SYS_tgkill] {
        rules.insert(call, vec![when(0, Ne, own.into())?]);
    }
    rules.insert(libc::SYS_prctl, vec![when(0, Eq, libc::PR_SET_PDEATHSIG as u64)?]);
    rules.insert(libc::SYS_prlimit64, vec![when(0, Ne, 0)?]);
    let mut nodes = vec![(libc::SYS_mknodat, 2)];
    #[cfg(target_arch = "x86_64")]
    nodes.push((libc::SYS_mknod, 1));
    for (call, mode) in nodes {
        let kinds = [libc::S_IFCHR, libc::S_IFBLK, libc::S_IFIFO, libc::S_IFSOCK];
        let kinds = kinds.map(|kind| when(mode, MaskedEq(libc::S_IFMT.into()), kind.into()));
        rules.insert(call, kinds.into_iter().collect::<Result<_, _>>()?);
    }
    // Half a pair of datagram sockets can still be pointed at any socket of the machine.
    let pairs = [libc::SOCK_DGRAM, libc::SOCK_RAW];
    let pairs = pairs.map(|kind| when(1, MaskedEq(0xf), kind as u64));
    rules.insert(libc::SYS_socketpair, pairs.into_iter().collect::<Result<_, _>>()?);
    if order.network {
        // No sockets of services of this machine.
        let families = [libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
        let others = families.map(|family| SeccompCondition::new(0, Dword, Ne, family as u64));
        let others = others.into_iter().collect::<Result<_, _>>()?;
        rules.insert(libc::SYS_socket, vec![SeccompRule::new(others)?]);
    } else {
        // TCP over IPv4 alone, which Landlock holds to a port.
        let mut sockets = vec![when(0, Ne, libc::AF_INET as u64)?];
        for kind in [libc::SOCK_DGRAM, libc::SOCK_RAW, libc::SOCK_RDM, libc::SOCK_SEQPACKET, 6, 10]
        {
            sockets.push(when(1, MaskedEq(0xf), kind as u64)?);
        }
        // Streams that are not TCP's go past Landlock's ports.
        let own = [0, libc::IPPROTO_TCP as u64];
        let other = own.map(|protocol| SeccompCondition::new(2, Dword, Ne, protocol));
        sockets.push(SeccompRule::new(other.into_iter().collect::<Result<_, _>>()?)?);
        rules.insert(libc::SYS_socket, sockets);
        if order.port.is_none() {
            rules.insert(libc::SYS_connect, Vec::new());
        }
    }
    // The same calls under the numbers of x32, where a kernel has that.
    #[cfg(target_arch = "x86_64")]
    {
        let second: Vec<_> = rules.keys().map(|call| (call | 0x4000_0000, Vec::new())).collect();
        rules.extend(second);
    }
    Ok(rules)
}

/// Calls that are refused in every form: other processes, ways around these rules, the system itself,
/// links, and what Landlock lets be changed of files by anybody who owns them.
const REFUSED: &[i64] = &[
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_symlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_link,
    libc::SYS_symlinkat,
    libc::SYS_linkat,
    libc::SYS_fchmodat,
    452, // fchmodat2
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    463, // setxattrat
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_send_signal,
    libc::SYS_pidfd_getfd,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_setpgid,
    libc::SYS_setsid,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_open_by_handle_at,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
];

impl Order {
    /// Nothing to read, no network, no files to speak of.
    #[cfg(test)]
    fn bare() -> Order {
        Order {
            parent: 1,
            program: PathBuf::from("/usr/bin/true"),
            arguments: Vec::new(),
            directory: PathBuf::from("/"),
            home: PathBuf::from("/"),
            readable: Vec::new(),
            writable: Vec::new(),
            port: None,
            network: false,
            file_max: 1 << 20,
            report: "/tmp/report".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_can_be_made_for_every_kind_of_order() {
        for (port, network) in [(None, false), (Some(80), false), (None, true)] {
            assert!(filters(&Order { port, network, ..Order::bare() }, 42).is_ok());
        }
    }
}
