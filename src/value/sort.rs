//! A stable sort that is compiled once for all types: it sorts indices, and only the comparison depends on the type. Pages load one
//! routine instead of 14 (`docs/decisions/0017`). It is for lists in which the size of the code matters more than speed.

use std::cmp::Ordering;

/// Sorts items; equal ones keep their order.
///
/// ```
/// let mut words = ["pear", "fig", "apple", "kiwi"];
/// runstate::value::sort_by(&mut words, |a, b| a.len().cmp(&b.len()));
/// assert_eq!(words, ["fig", "pear", "kiwi", "apple"]);
/// ```
pub fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    if items.is_sorted_by(|a, b| compare(a, b).is_le()) {
        return;
    }
    let mut indices: Vec<usize> = (0..items.len()).collect();
    sort_indices(&mut indices, &|a, b| match (items.get(a), items.get(b)) {
        (Some(a), Some(b)) => compare(a, b),
        _ => Ordering::Equal,
    });
    apply_permutation(&mut indices, &mut |a, b| items.swap(a, b));
}

fn sort_indices(indices: &mut [usize], compare: &dyn Fn(usize, usize) -> Ordering) {
    indices.sort_by(|a, b| compare(*a, *b));
}

/// Moves the item at `indices[i]` to `i` for all `i`, in place, by following the cycles of the permutation.
fn apply_permutation(indices: &mut [usize], swap: &mut dyn FnMut(usize, usize)) {
    for first in 0..indices.len() {
        let mut index = first;
        while let Some(entry) = indices.get_mut(index) {
            let from = std::mem::replace(entry, index);
            if from == first {
                break;
            }
            swap(index, from);
            index = from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::sort_by;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sort_by_is_stable_and_sorts_as_std(items in prop::collection::vec((0u8..20, any::<u8>()), 0..200)) {
            let (mut ours, mut theirs) = (items.clone(), items);
            sort_by(&mut ours, |a, b| a.0.cmp(&b.0));
            theirs.sort_by_key(|item| item.0);
            prop_assert_eq!(ours, theirs);
        }
    }
}
