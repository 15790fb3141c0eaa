//! Two hosts on this machine with a wire between them, which can be cut without anybody being told.

use std::io::Read;
use std::process::{Child, Command, Stdio};

/// The address of the near host.
pub const NEAR: &str = "10.203.0.1";
/// The address of the far one.
pub const FAR: &str = "10.203.0.2";

/// Both hosts, as network namespaces, each held by a process.
pub struct Wire {
    near: Host,
    far: Host,
}

struct Host {
    holder: Child,
    /// How a program is started on it.
    way: Vec<String>,
}

impl Host {
    /// `way` leads to where it is made.
    fn new(way: &[&str]) -> Result<Host, String> {
        let mut command = Command::new(way[0]);
        command.args(&way[1..]).args(["sh", "-c", "ip link set lo up && echo there && exec cat"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut holder = command.spawn().map_err(|error| format!("{}: {error}", way[0]))?;
        let mut there = [0; 5];
        let is_there = holder.stdout.as_mut().is_some_and(|out| out.read_exact(&mut there).is_ok());
        let target = format!("--target={}", holder.id());
        let mut enter = vec!["nsenter".to_owned(), target, "--net".to_owned()];
        if way.iter().any(|argument| argument.contains('U')) {
            enter.extend(["--user", "--preserve-credentials"].map(str::to_owned));
        }
        let mut host = Host { holder, way: enter };
        if is_there {
            return Ok(host);
        }
        let mut why = String::new();
        let _ = host.holder.stderr.take().map(|mut stderr| stderr.read_to_string(&mut why));
        Err(format!("{}: {}", way.join(" "), why.trim()))
    }

    fn on(&self, command: &Command) -> Command {
        let mut there = Command::new(&self.way[0]);
        there.args(&self.way[1..]).arg(command.get_program()).args(command.get_args());
        let changed = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
        there.envs(changed);
        there
    }

    fn ip(&self, arguments: &str) {
        let mut command = Command::new("ip");
        command.args(arguments.split(' '));
        let done = self.on(&command).output().expect("nsenter starts");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "ip {arguments}: {said}");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

impl Wire {
    /// Makes both. `None` where one must not, which CI must allow.
    pub fn new() -> Option<Wire> {
        let ways: [&[&str]; 2] = [&["unshare", "-n"], &["unshare", "-Urn"]];
        let mut refusals = Vec::new();
        for way in ways {
            match Host::new(way) {
                Ok(near) => return Some(Wire::from(near)),
                Err(why) => refusals.push(why),
            }
        }
        assert!(std::env::var_os("CI").is_none(), "no network can be made here: {refusals:?}");
        eprintln!("left out, as no network can be made here: {refusals:?}");
        None
    }

    fn from(near: Host) -> Wire {
        let mut way: Vec<&str> = near.way.iter().map(String::as_str).collect();
        way.extend(["unshare", "-n"]);
        let mut far = Host::new(&way).expect("what was allowed once is allowed again");
        // It shares the near one's users, if that has its own.
        far.way = near.way.clone();
        far.way[1] = format!("--target={}", far.holder.id());
        let pid = far.holder.id();
        near.ip(&format!("link add near type veth peer name far netns {pid}"));
        for (host, name, address) in [(&near, "near", NEAR), (&far, "far", FAR)] {
            host.ip(&format!("address add {address}/24 dev {name}"));
            host.ip(&format!("link set {name} up"));
        }
        Wire { near, far }
    }

    /// A command on the near host.
    pub fn near(&self, command: &Command) -> Command {
        self.near.on(command)
    }

    /// A command on the far host.
    pub fn far(&self, command: &Command) -> Command {
        self.far.on(command)
    }

    /// From now on what either says to the other is lost, and nobody is told.
    pub fn cut(&self) {
        self.near.ip(&format!("route add blackhole {FAR}"));
        self.far.ip(&format!("route add blackhole {NEAR}"));
    }

    /// Takes that back.
    pub fn mend(&self) {
        self.near.ip(&format!("route del blackhole {FAR}"));
        self.far.ip(&format!("route del blackhole {NEAR}"));
    }
}
