//! One limit alone, where requests may be sent in part: the bound that prices of a single stretch can't reach.
//!
//! What requests may take of a bucket is what a network lets flow from its refill to them: a pipe from each of them to the
//! next one carries no more than the bucket holds. Such takings are a polymatroid (Megiddo 1974), and of a
//! polymatroid the greedy choice is the best one (Edmonds 1970): those that are worth most for a unit take first, each as much as
//! the stretches it lies in leave over.

use std::cmp::Ordering;

use super::{Candidate, Limit};

/// In tokens, rounded up.
pub(super) fn bound(limit: Limit, index: usize, candidates: &[Candidate], returning: &[Vec<u64>]) -> u64 {
    let (capacity, window) = (i128::from(limit.capacity), i128::from(limit.window));
    // A stretch has left: what there is when it begins, with all that was taken before it; and the refill until it ends,
    // without all that was taken until then.
    let begins = |(candidate, returning): (&Candidate, &Vec<u64>)| {
        (capacity + i128::from(returning[index])) * window - capacity * i128::from(candidate.earliest)
    };
    let ends = |candidate: &Candidate| capacity * i128::from(candidate.latest);
    let mut begins = RunningSums::new(candidates.iter().zip(returning).map(begins));
    let mut ends = RunningSums::new(candidates.iter().map(ends));

    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by(|a, b| denser(&candidates[*a], &candidates[*b], index));
    let mut worth = 0;
    for id in order {
        let candidate = &candidates[id];
        let whole = i128::from(candidate.weights[index].taken) * window;
        let left = begins.least_until(id).saturating_add(ends.least_from(id)).max(0);
        let taken = whole.min(left);
        begins.add(id + 1, taken);
        ends.add(id, -taken);
        worth += match whole {
            0 => i128::from(candidate.worth),
            whole => -(-i128::from(candidate.worth) * taken).div_euclid(whole),
        };
    }
    u64::try_from(worth).unwrap_or(u64::MAX)
}

/// Which is worth more for a unit comes first.
fn denser(a: &Candidate, b: &Candidate, index: usize) -> Ordering {
    let worth =
        |one: &Candidate, other: &Candidate| u128::from(one.worth) * u128::from(other.weights[index].taken);
    // What takes nothing comes first, as it should.
    worth(b, a).cmp(&worth(a, b))
}

/// Numbers; adding to one of them adds to all after it. The least of any beginning or end is found in logarithmic time.
struct RunningSums {
    /// A binary tree over their differences: the root at 1, the children of `n` at `2n` and `2n + 1`.
    nodes: Vec<Node>,
}

/// Of some neighbouring differences: their sum, and the least sum of the first of them.
#[derive(Clone, Copy)]
struct Node {
    sum: i128,
    least: i128,
}

impl Node {
    const NONE: Self = Self { sum: 0, least: i128::MAX };

    fn one(sum: i128) -> Self {
        Self { sum, least: sum }
    }

    fn then(self, next: Self) -> Self {
        Self { sum: self.sum + next.sum, least: self.least.min(self.sum.saturating_add(next.least)) }
    }
}

impl RunningSums {
    fn new(numbers: impl ExactSizeIterator<Item = i128>) -> Self {
        let leaves = numbers.len().next_power_of_two();
        let mut nodes = vec![Node::NONE; 2 * leaves];
        let mut before = 0;
        for (leaf, number) in nodes[leaves..].iter_mut().zip(numbers) {
            *leaf = Node::one(number - std::mem::replace(&mut before, number));
        }
        for parent in (1..leaves).rev() {
            nodes[parent] = nodes[2 * parent].then(nodes[2 * parent + 1]);
        }
        Self { nodes }
    }

    fn leaf(&self, index: usize) -> usize {
        self.nodes.len() / 2 + index
    }

    /// Adds to the number with this index and all after it.
    fn add(&mut self, index: usize, amount: i128) {
        let mut at = self.leaf(index);
        let Some(leaf) = self.nodes.get_mut(at) else { return };
        if leaf.least == i128::MAX {
            return;
        }
        *leaf = Node::one(leaf.sum + amount);
        while at > 1 {
            at /= 2;
            self.nodes[at] = self.nodes[2 * at].then(self.nodes[2 * at + 1]);
        }
    }

    /// The least number up to this index.
    fn least_until(&self, index: usize) -> i128 {
        let mut at = self.leaf(index);
        let mut first = self.nodes[at];
        while at > 1 {
            if at % 2 == 1 {
                first = self.nodes[at - 1].then(first);
            }
            at /= 2;
        }
        first.least
    }

    /// The least number from this index on.
    fn least_from(&self, index: usize) -> i128 {
        let mut at = self.leaf(index);
        let (mut before, mut last) = (0, self.nodes[at]);
        while at > 1 {
            if at % 2 == 1 {
                before += self.nodes[at - 1].sum;
            } else {
                last = last.then(self.nodes[at + 1]);
            }
            at /= 2;
        }
        last.least.saturating_add(before)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn running_sums_are_those_of_a_list(
            numbers in prop::collection::vec(-1_000..1_000i128, 1..40),
            added in prop::collection::vec((0..41usize, -1_000..1_000i128), 0..40),
        ) {
            let mut list = numbers.clone();
            let mut sums = RunningSums::new(numbers.into_iter());
            for (index, amount) in added {
                sums.add(index, amount);
                list.iter_mut().skip(index).for_each(|number| *number += amount);
                for index in 0..list.len() {
                    prop_assert_eq!(Some(&sums.least_until(index)), list[..=index].iter().min());
                    prop_assert_eq!(Some(&sums.least_from(index)), list[index..].iter().min());
                }
            }
        }
    }
}
