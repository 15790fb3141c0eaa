//! Places for commands: which worker runs one, and the ticket that lets it begin there. A ticket is
//! drawn here, told to the worker, and told to the caller; what runs is what workers say they hold.

use std::collections::BTreeMap;

use segue_api::{CommandOffer, v1};
use segue_dispatch::Moment;
use segue_model::pool::WorkerId;

use super::owner::Owner;

/// A place is kept so long for whoever got it.
const KEPT_MS: u64 = 10_000;

/// What a worker offers to commands, and what it holds.
#[derive(Debug)]
pub(super) struct Places {
    offer: CommandOffer,
    /// Tickets whose commands run, as the worker says.
    held: Vec<String>,
    /// Tickets given out, and until when their places are kept.
    given: BTreeMap<String, Moment>,
}

impl Places {
    pub fn new(offer: CommandOffer) -> Places {
        Places { offer, held: Vec::new(), given: BTreeMap::new() }
    }

    /// What the worker holds now is all that it holds.
    pub fn hold(&mut self, tickets: Vec<String>) {
        for ticket in &tickets {
            self.given.remove(ticket);
        }
        self.held = tickets;
    }

    /// For people. Who was given a place and is on the way there counts.
    pub fn info(&self, now: Moment) -> v1::CommandsInfo {
        let given = self.given.values().filter(|until| **until > now).count();
        let running = (self.held.len() + given) as u32;
        v1::CommandsInfo { places: self.offer.places, running }
    }

    fn free(&mut self, now: Moment) -> u32 {
        self.given.retain(|_, until| *until > now);
        let taken = self.held.len() + self.given.len();
        self.offer.places.saturating_sub(taken as u32)
    }
}

/// Where a command may run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Lets it begin.
    pub ticket: String,
    /// Where the worker listens.
    pub address: String,
    /// What it is called.
    pub worker: String,
}

/// Why there is no place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoPlace {
    /// No worker that runs commands is connected.
    Nobody,
    /// None has all that is needed: what the one that has most of it lacks.
    Lacking(Vec<String>),
    /// Those that could do it are full.
    Full,
}

impl Owner {
    /// Finds a worker with the most free places that has all of `needs`, preferably none of `not_on`.
    pub(super) fn place(
        &mut self,
        needs: &[String],
        not_on: &[String],
        ticket: String,
    ) -> Result<Place, NoPlace> {
        let now = self.now;
        let mut why = NoPlace::Nobody;
        let mut best: Option<((bool, u32), WorkerId)> = None;
        for (id, worker) in &mut self.workers {
            let Some(places) = worker.places.as_mut() else { continue };
            if worker.stream.is_none() || self.planner.leaves(*id) {
                continue;
            }
            let missing = places.offer.missing(needs);
            if !missing.is_empty() {
                let fewer = match &why {
                    NoPlace::Nobody => true,
                    NoPlace::Lacking(least) => missing.len() < least.len(),
                    NoPlace::Full => false,
                };
                if fewer {
                    why = NoPlace::Lacking(missing.into_iter().map(str::to_owned).collect());
                }
                continue;
            }
            let rank = (!not_on.contains(&worker.name), places.free(now));
            if rank.1 == 0 {
                why = NoPlace::Full;
            } else if best.is_none_or(|(other, _)| rank > other) {
                best = Some((rank, *id));
            }
        }
        let Some((_, id)) = best else { return Err(why) };
        let expect = v1::Expect { ticket: ticket.clone(), within_ms: KEPT_MS as u32 };
        if !self.send(id, v1::connect_response::Says::Expect(expect)) {
            // It does not keep up with what it is told; it is asked again soon.
            return Err(NoPlace::Full);
        }
        let Some(worker) = self.workers.get_mut(&id) else { return Err(NoPlace::Nobody) };
        if let Some(places) = &mut worker.places {
            places.given.insert(ticket.clone(), Moment(now.0 + KEPT_MS));
        }
        Ok(Place { ticket, address: worker.address.clone(), worker: worker.name.clone() })
    }
}
