//! How patient the planner is, and how far it looks ahead. Data only.

use super::event::Demand;
use crate::Millis;

/// Every length of time and every bound the planner goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// A worker that holds spans and was silent for so long gets nothing new.
    pub suspect: Millis,
    /// The same for one that holds none, and says less.
    pub suspect_idle: Millis,
    /// A worker that was silent for so long loses what it holds.
    pub fence: Millis,
    /// For how long a worker goes on by itself. Longer than `fence`: it outlasts a scheduler's
    /// restart, and two copies of a segment are as good as one.
    pub lease: Millis,
    /// A new planner listens for so long before it gives work that nobody waits for.
    pub settle: Millis,
    /// Work of an earlier term whose job is not known goes on for so long.
    pub strangers: Millis,
    /// Woken so much too late, the planner distrusts its own view of who is silent ...
    pub late: Millis,
    /// ... for so long.
    pub forgive: Millis,
    /// How far ahead of its viewer a stream is made.
    pub read_ahead: Millis,
    /// The same where the viewer wants all of it, to the film's end; beyond that it is a batch.
    pub read_ahead_to_end: Millis,
    /// How much is ordered at once for a viewer.
    pub chunk: Millis,
    /// Beside a viewer whose stream lacks this much of its read-ahead no batch is begun.
    pub behind: Millis,
    /// A viewer's span makes way only for what is due sooner by this much: due times are guesses.
    pub sooner: Millis,
    /// A lease without progress for so long, and for eight times its pace, is taken to hang. The
    /// worker's own watch is shorter.
    pub stall: Millis,
    /// The same before its first segment: nobody may know yet how slow that work is.
    pub stall_first: Millis,
    /// A lease of which nothing was stored for so long, though there is something to store, is taken
    /// away.
    pub storage: Millis,
    /// A desired state that was not taken up for so long is sent again.
    pub resend: Millis,
    /// A worker that is gone is remembered for so long, and what its devices did.
    pub remember: Millis,
    /// The first pause after storage failed; doubles up to sixteen times.
    pub pause: Millis,
    /// The first quarantine of a device; doubles up to `quarantine_max`.
    pub quarantine: Millis,
    /// The longest quarantine.
    pub quarantine_max: Millis,
    /// A device that went away is counted for so long: it may be coming back.
    pub alone_after: Millis,
    /// A family without devices is waited for so long before another one goes on with its renditions.
    pub cross: Millis,
    /// A job that nobody claims is forgotten after so long.
    pub unclaimed: Millis,
    /// A job is given up when storage failed so often at one of its segments; none: storage may be away
    /// for as long as it is.
    pub transient_max: Option<u32>,
}

impl Policy {
    /// How far ahead of a viewer its stream is made.
    pub fn read_ahead_of(&self, demand: &Demand) -> Millis {
        if demand.to_end { self.read_ahead_to_end } else { self.read_ahead }
    }
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            suspect: 800,
            suspect_idle: 2_250,
            fence: 3_000,
            lease: 10_000,
            settle: 600,
            strangers: 10_000,
            late: 300,
            forgive: 900,
            read_ahead: 30_000,
            read_ahead_to_end: 60_000,
            chunk: 6_000,
            behind: 12_000,
            sooner: 4_000,
            stall: 20_000,
            stall_first: 90_000,
            storage: 120_000,
            resend: 300,
            remember: 600_000,
            pause: 1_000,
            quarantine: 2_000,
            quarantine_max: 600_000,
            alone_after: 30_000,
            cross: 3_000,
            unclaimed: 60_000,
            transient_max: None,
        }
    }
}
