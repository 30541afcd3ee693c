//! A sorted map in shared pages: what it holds at a moment can be kept for nothing, while it goes on changing.
//!
//! A clone shares every page; the first change to a page after that copies the page. So a checkpoint keeps a million entries
//! in microseconds, and writes them on a thread nobody waits for. A lookup is two binary searches, without a node a level.

use std::borrow::Borrow;
use std::sync::Arc;

/// Entries in a page: what the first change after a clone copies, some 5 KiB.
const PAGE_LEN: usize = 128;

/// Keys are unique; iterated in their order.
#[derive(Clone, Debug)]
pub struct SharedMap<K, V> {
    /// None is empty, and each begins with its `first`.
    pages: Arc<Vec<Page<K, V>>>,
}

#[derive(Clone, Debug)]
struct Page<K, V> {
    first: K,
    entries: Arc<Vec<(K, V)>>,
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> SharedMap<K, V> {
        SharedMap { pages: Arc::default() }
    }
}

impl<K: Ord + Clone, V: Clone + PartialEq> PartialEq for SharedMap<K, V> {
    /// The same entries, on whatever pages.
    fn eq(&self, other: &SharedMap<K, V>) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<K: Ord + Clone, V: Clone + Eq> Eq for SharedMap<K, V> {}

impl<K: Ord + Clone, V: Clone> SharedMap<K, V> {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// Counts page by page.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pages.iter().map(|page| page.entries.len()).sum()
    }

    #[must_use]
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let entries = &self.pages[self.page_of(key)?].entries;
        let place = entries.binary_search_by(|(other, _)| other.borrow().cmp(key)).ok()?;
        Some(&entries[place].1)
    }

    pub fn iter(&self) -> impl Iterator<Item = &(K, V)> {
        self.pages.iter().flat_map(|page| page.entries.iter())
    }

    /// Puts `value` in the place of what `key` had.
    pub fn insert(&mut self, key: K, value: V) {
        let Some(number) = self.page_of::<K>(&key) else {
            // Before all others, and so into the first page if there is one.
            return self.insert_in(0, 0, key, value);
        };
        match self.pages[number].entries.binary_search_by(|(other, _)| other.cmp(&key)) {
            Ok(place) => {
                let page = &mut Arc::make_mut(&mut self.pages)[number];
                Arc::make_mut(&mut page.entries)[place].1 = value;
            }
            Err(place) => self.insert_in(number, place, key, value),
        }
    }

    fn insert_in(&mut self, number: usize, place: usize, key: K, value: V) {
        let pages = Arc::make_mut(&mut self.pages);
        let is_last = number + 1 >= pages.len();
        let Some(page) = pages.get_mut(number) else {
            pages.push(Page { first: key.clone(), entries: Arc::new(vec![(key, value)]) });
            return;
        };
        let entries = Arc::make_mut(&mut page.entries);
        if entries.len() < PAGE_LEN {
            entries.insert(place, (key, value));
            page.first = entries[0].0.clone();
            return;
        }
        // Behind all others begins a page of its own, so that loading in order fills pages.
        let split = if is_last && place == PAGE_LEN { PAGE_LEN } else { PAGE_LEN / 2 };
        let mut after = entries.split_off(split);
        if place < split {
            entries.insert(place, (key, value));
            page.first = entries[0].0.clone();
        } else {
            after.insert(place - split, (key, value));
        }
        pages.insert(number + 1, Page { first: after[0].0.clone(), entries: Arc::new(after) });
    }

    pub fn remove(&mut self, key: &K) {
        self.retain_from(self.page_of::<K>(key).unwrap_or(0), 1, |other, _| other != key);
    }

    /// Drops the entries `keep` does not want. Pages without any stay shared.
    pub fn retain(&mut self, keep: impl Fn(&K, &V) -> bool) {
        self.retain_from(0, self.pages.len(), keep);
    }

    fn retain_from(&mut self, number: usize, count: usize, keep: impl Fn(&K, &V) -> bool) {
        let all_stay = |page: &Page<K, V>| page.entries.iter().all(|(key, value)| keep(key, value));
        if self.pages.iter().skip(number).take(count).all(all_stay) {
            return;
        }
        let pages = Arc::make_mut(&mut self.pages);
        for page in pages.iter_mut().skip(number).take(count) {
            if !all_stay(page) {
                let entries = Arc::make_mut(&mut page.entries);
                entries.retain(|(key, value)| keep(key, value));
                if let Some((first, _)) = entries.first() {
                    page.first = first.clone();
                }
            }
        }
        pages.retain(|page| !page.entries.is_empty());
    }

    /// The page that has `key` if any has; `None`: it is before all others.
    fn page_of<Q: Ord + ?Sized>(&self, key: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
    {
        self.pages.partition_point(|page| page.first.borrow() <= key).checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn assert_same(map: &SharedMap<u32, u32>, wanted: &BTreeMap<u32, u32>) {
        assert_eq!(map.iter().copied().collect::<Vec<_>>(), wanted.iter().map(|(k, v)| (*k, *v)).collect::<Vec<_>>());
        assert_eq!((map.len(), map.is_empty()), (wanted.len(), wanted.is_empty()));
    }

    /// Keys from 0 to 2,000, scattered and repeated, always the same.
    fn key(number: u32) -> u32 {
        number.wrapping_mul(2_654_435_761) >> 21
    }

    #[test]
    fn it_answers_as_a_tree_does_and_a_clone_stays_as_it_was() {
        let (mut map, mut wanted) = (SharedMap::default(), BTreeMap::new());
        let mut kept = Vec::new();
        for number in 0..20_000 {
            let key = key(number);
            if number % 3 == 2 {
                map.remove(&key);
                wanted.remove(&key);
            } else {
                map.insert(key, number);
                wanted.insert(key, number);
            }
            assert_eq!(map.get(&key), wanted.get(&key));
            if number % 4_000 == 0 {
                kept.push((map.clone(), wanted.clone()));
            }
            if number % 5_000 == 4_999 {
                map.retain(|key, _| key % 7 != 0);
                wanted.retain(|key, _| key % 7 != 0);
            }
        }
        assert_same(&map, &wanted);
        for (map, wanted) in &kept {
            assert_same(map, wanted);
        }
        for key in 0..2_048 {
            assert_eq!(map.get(&key), wanted.get(&key));
            map.remove(&key);
        }
        assert!(map.is_empty());
        map.insert(5, 1);
        assert_eq!(map.get(&5), Some(&1));
    }

    #[test]
    fn what_is_loaded_in_order_fills_its_pages() {
        let mut map = SharedMap::default();
        (0..1_000_u32).for_each(|number| map.insert(number, number));
        assert_eq!(map.pages.len(), 1_000_usize.div_ceil(PAGE_LEN));
    }

    #[test]
    fn a_change_after_a_clone_copies_one_page() {
        let mut map = SharedMap::default();
        (0..1_000_u32).for_each(|number| map.insert(number, number));
        let kept = map.clone();
        map.insert(500, 0);
        let shared = map.pages.iter().zip(kept.pages.iter()).filter(|(a, b)| Arc::ptr_eq(&a.entries, &b.entries));
        assert_eq!(shared.count(), map.pages.len() - 1);
    }
}
