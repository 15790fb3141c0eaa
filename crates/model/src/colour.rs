//! What colours can be labelled with: ITU-T H.273, by libav's names, as [`Colour`](crate::Colour) has
//! them. Names that are not here (`reserved`) mean nothing that could be checked. 2 is what is not
//! specified.

/// Table 2: which colours the primaries are.
pub const PRIMARIES: [(&str, u8); 12] = [
    ("bt709", 1),
    ("unknown", 2),
    ("bt470m", 4),
    ("bt470bg", 5),
    ("smpte170m", 6),
    ("smpte240m", 7),
    ("film", 8),
    ("bt2020", 9),
    ("smpte428", 10),
    ("smpte431", 11),
    ("smpte432", 12),
    ("ebu3213", 22),
];

/// Table 3: how light follows from numbers.
pub const TRANSFERS: [(&str, u8); 17] = [
    ("bt709", 1),
    ("unknown", 2),
    ("bt470m", 4),
    ("bt470bg", 5),
    ("smpte170m", 6),
    ("smpte240m", 7),
    ("linear", 8),
    ("log100", 9),
    ("log316", 10),
    ("iec61966-2-4", 11),
    ("bt1361e", 12),
    ("iec61966-2-1", 13),
    ("bt2020-10", 14),
    ("bt2020-12", 15),
    ("smpte2084", 16),
    ("smpte428", 17),
    ("arib-std-b67", 18),
];

/// Table 4: how brightness and colour differences follow from the primaries.
pub const MATRICES: [(&str, u8); 14] = [
    ("gbr", 0),
    ("bt709", 1),
    ("unknown", 2),
    ("fcc", 4),
    ("bt470bg", 5),
    ("smpte170m", 6),
    ("smpte240m", 7),
    ("ycgco", 8),
    ("bt2020nc", 9),
    ("bt2020c", 10),
    ("smpte2085", 11),
    ("chroma-derived-nc", 12),
    ("chroma-derived-c", 13),
    ("ictcp", 14),
];
