//! What a power loss may leave of a recorded disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Event, Image, Inode, Rng};

/// What becomes of writes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// All are lost.
    Lost,
    /// All are kept: a lucky moment.
    Kept,
    /// Kept in order up to one that is torn: its sectors of this size are there or not.
    Torn { sector: usize },
    /// Each on its own: kept, lost or torn.
    Reordered,
}

pub const LOSSES: [Loss; 5] =
    [Loss::Lost, Loss::Kept, Loss::Torn { sector: 512 }, Loss::Torn { sector: 4096 }, Loss::Reordered];

/// A recorded disk at one moment: what is durable, and what is not yet.
#[derive(Clone, Default)]
pub struct Moment {
    durable_names: BTreeMap<String, Inode>,
    inodes: Vec<Content>,
    /// Changes of names since the folder's last sync, in order.
    pending_names: Vec<Event>,
}

#[derive(Clone, Default)]
struct Content {
    durable: Vec<u8>,
    pending: Vec<Pending>,
}

#[derive(Clone)]
enum Pending {
    Write { at: usize, bytes: Arc<[u8]> },
    SetLen { len: usize },
}

impl Moment {
    pub fn new(image: &Image) -> Moment {
        let mut moment = Moment::default();
        for (name, bytes) in &image.files {
            moment.durable_names.insert(name.clone(), moment.inodes.len());
            moment.inodes.push(Content { durable: bytes.clone(), pending: Vec::new() });
        }
        moment
    }

    /// One event later.
    pub fn advance(&mut self, event: &Event) {
        match event {
            Event::Write { inode, at, bytes } => {
                self.inodes[*inode].pending.push(Pending::Write { at: *at, bytes: bytes.clone() });
            }
            Event::SetLen { inode, len } => self.inodes[*inode].pending.push(Pending::SetLen { len: *len }),
            Event::Sync { inode } => {
                let content = &mut self.inodes[*inode];
                for pending in std::mem::take(&mut content.pending) {
                    pending.apply(&mut content.durable, |_| true);
                }
            }
            Event::Create { inode, .. } => {
                assert_eq!(*inode, self.inodes.len(), "files are numbered as they come");
                self.inodes.push(Content::default());
                self.pending_names.push(event.clone());
            }
            Event::Rename { .. } | Event::Remove { .. } => self.pending_names.push(event.clone()),
            Event::SyncDir { name } => {
                let inside = |event: &Event| {
                    let path = match event {
                        Event::Create { name, .. } | Event::Remove { name } => name,
                        Event::Rename { to, .. } => to,
                        _ => unreachable!("only changes of names are pending"),
                    };
                    path.rsplit_once('/').map_or("", |(folder, _)| folder) == name
                };
                for event in std::mem::take(&mut self.pending_names) {
                    if inside(&event) {
                        apply_name(&mut self.durable_names, &event);
                    } else {
                        self.pending_names.push(event);
                    }
                }
            }
            Event::Seen(_) | Event::Committed(_) | Event::Trim(_) => {}
        }
    }

    /// One image the power loss may leave.
    pub fn image(&self, loss: Loss, rng: &mut Rng) -> Image {
        let mut names = self.durable_names.clone();
        let kept = match loss {
            Loss::Lost => 0,
            Loss::Kept => self.pending_names.len(),
            // A journal keeps its order.
            Loss::Torn { .. } | Loss::Reordered => rng.below(self.pending_names.len() + 1),
        };
        self.pending_names[..kept].iter().for_each(|event| apply_name(&mut names, event));
        let files = names.into_iter().map(|(name, inode)| (name, self.inodes[inode].bytes(loss, rng))).collect();
        Image { files }
    }
}

impl Content {
    fn bytes(&self, loss: Loss, rng: &mut Rng) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        let torn_at = rng.below(self.pending.len() + 1);
        for (number, pending) in self.pending.iter().enumerate() {
            match loss {
                Loss::Lost => {}
                Loss::Kept => pending.apply(&mut bytes, |_| true),
                Loss::Torn { .. } if number < torn_at => pending.apply(&mut bytes, |_| true),
                Loss::Torn { sector } if number == torn_at => tear(pending, &mut bytes, sector, rng),
                Loss::Torn { .. } => {}
                Loss::Reordered => match rng.below(4) {
                    0 => tear(pending, &mut bytes, 512, rng),
                    1 => {}
                    _ => pending.apply(&mut bytes, |_| true),
                },
            }
        }
        bytes
    }
}

/// Some sectors of the file get the new bytes, the others stay.
fn tear(pending: &Pending, bytes: &mut Vec<u8>, sector: usize, rng: &mut Rng) {
    let salt = rng.draw();
    pending.apply(bytes, |position| Rng::new(salt ^ (position / sector) as u64).once_in(2));
}

impl Pending {
    /// Applies the bytes at file positions for which `kept` says true.
    fn apply(&self, file: &mut Vec<u8>, kept: impl Fn(usize) -> bool) {
        match self {
            Pending::SetLen { len } => file.resize(file.len().max(*len), 0),
            Pending::Write { at, bytes } => {
                // A quarter of a sector at a time: they are kept or lost together anyway.
                let mut done = 0;
                while done < bytes.len() {
                    let position = at + done;
                    let now = (128 - position % 128).min(bytes.len() - done);
                    if kept(position) {
                        file.resize(file.len().max(position + now), 0);
                        file[position..position + now].copy_from_slice(&bytes[done..done + now]);
                    }
                    done += now;
                }
            }
        }
    }
}

fn apply_name(names: &mut BTreeMap<String, Inode>, event: &Event) {
    match event {
        Event::Create { name, inode } => {
            names.insert(name.clone(), *inode);
        }
        Event::Rename { from, to } => {
            if let Some(inode) = names.remove(from) {
                names.insert(to.clone(), inode);
            }
        }
        Event::Remove { name } => {
            names.remove(name);
        }
        _ => unreachable!("only changes of names are pending"),
    }
}
