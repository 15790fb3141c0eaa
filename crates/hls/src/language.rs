//! How languages are named in playlists: RFC 5646, while containers use ISO 639-2.

/// ISO 639-2 codes (terminology and bibliographic), each with the ISO 639-1 code behind it.
const CODES: &str = "\
    aaraa abkab afraf akaak albsq amham araar argan armhy asmas avaav aveae aymay azeaz bakba \
    bambm baqeu belbe benbn bihbh bisbi bodbo bosbs brebr bulbg burmy catca cescs chach chece \
    chizh chucu chvcv corkw cosco crecr cymcy czecs danda deude divdv dutnl dzodz ellel engen \
    epoeo estet euseu eweee faofo fasfa fijfj finfi frafr frefr fryfy fulff geoka gerde glagd \
    glega glggl glvgv greel grngn gujgu hatht hauha hebhe herhz hinhi hmoho hrvhr hunhu hyehy \
    iboig iceis idoio iiiii ikuiu ileie inaia indid ipkik islis itait javjv jpnja kalkl kankn \
    kasks katka kaukr kazkk khmkm kikki kinrw kirky komkv konkg korko kuakj kurku laolo latla \
    lavlv limli linln litlt ltzlb lublu luglg macmk mahmh malml maomi marmr mayms mkdmk mlgmg \
    mltmt monmn mrimi msams myamy nauna navnv nblnr ndend ndong nepne nldnl nnonn nobnb norno \
    nyany ocioc ojioj orior ormom ossos panpa perfa plipi polpl porpt pusps quequ rohrm ronro \
    rumro runrn rusru sagsg sansa sinsi slksk slosk slvsl smese smosm snasn sndsd somso sotst \
    spaes sqisq srdsc srpsr sswss sunsu swasw swesv tahty tamta tattt telte tgktg tgltl thath \
    tibbo tirti tonto tsntn tsots tuktk turtr twitw uigug ukruk urdur uzbuz venve vievi volvo \
    welcy wlnwa wolwo xhoxh yidyi yoryo zhaza zhozh zulzu";

/// The RFC 5646 tag of a container's language code; `None` when it names no language or is none.
///
/// RFC 5646 section 2.2.1 wants the two-letter code where there is one, and players match a
/// listener's preference against that.
pub(crate) fn tag(code: &str) -> Option<String> {
    let code = code.trim().to_ascii_lowercase();
    // Undetermined, no linguistic content, multiple, uncoded.
    if matches!(code.as_str(), "" | "und" | "zxx" | "mul" | "mis") {
        return None;
    }
    let subtag = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let first = code.split('-').next().unwrap_or_default();
    let letters = first.bytes().all(|b| b.is_ascii_lowercase());
    if !letters || !(2..=3).contains(&first.len()) || !code.split('-').all(subtag) {
        return None;
    }
    let short = CODES.split(' ').find_map(|pair| pair.strip_prefix(first).filter(|s| s.len() == 2));
    Some(match short {
        Some(short) => code.replacen(first, short, 1),
        None => code,
    })
}
