//! Runs of segments are a set, whatever is done to them.

use std::collections::BTreeSet;

use proptest::prelude::*;
use segue_dispatch::Runs;
use segue_model::Span;

fn span() -> impl Strategy<Value = Span> {
    (0u32..40, 0u32..12).prop_map(|(first, length)| Span { first, end: first + length })
}

proptest! {
    #[test]
    fn runs_behave_like_a_set(steps in proptest::collection::vec((any::<bool>(), span()), 0..40)) {
        let (mut runs, mut set) = (Runs::default(), BTreeSet::new());
        for (insert, span) in steps {
            let before = set.len();
            if insert {
                set.extend(span.first..span.end);
                prop_assert_eq!(runs.insert(span) as usize, set.len() - before);
            } else {
                set.retain(|index| !(span.first..span.end).contains(index));
                prop_assert_eq!(runs.remove(span) as usize, before - set.len());
            }
            prop_assert_eq!(runs.len() as usize, set.len());
            let all: Vec<u32> = runs.iter().flat_map(|run| run.first..run.end).collect();
            prop_assert_eq!(&all, &set.iter().copied().collect::<Vec<_>>());
            let runs_of: Vec<Span> = runs.iter().collect();
            prop_assert!(runs_of.windows(2).all(|pair| pair[0].end < pair[1].first));
            prop_assert_eq!(runs.len_from(11) as usize, set.range(11..).count());
            prop_assert_eq!(runs.contains(7), set.contains(&7));
            prop_assert_eq!(runs.from(9).map(|run| run.first), set.range(9..).next().copied());
            let missing = runs.missing_in(Span { first: 3, end: 30 });
            let lacks: Vec<u32> = missing.iter().flat_map(|run| run.first..run.end).collect();
            prop_assert_eq!(lacks, (3..30).filter(|i| !set.contains(i)).collect::<Vec<_>>());
        }
    }
}
