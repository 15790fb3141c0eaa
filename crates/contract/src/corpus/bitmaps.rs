//! Subtitles that are pictures, as discs have them (PGS): no ffmpeg makes them of text. Pure.

/// A file of them (`.sup`): every eight seconds a white bar for two, in films of 128x72.
pub fn sup(seconds: u32) -> Vec<u8> {
    let mut file = Vec::new();
    for (number, begin) in (0..seconds).step_by(8).enumerate() {
        let number = number as u16 * 2;
        let shown = [
            (COMPOSITION, composition(number, Some((X, Y)))),
            (WINDOW, window()),
            (PALETTE, vec![0, 0, 1, 235, 128, 128, 255]),
            (OBJECT, object()),
            (END, Vec::new()),
        ];
        let gone =
            [(COMPOSITION, composition(number + 1, None)), (WINDOW, window()), (END, Vec::new())];
        add(&mut file, begin + 1, &shown);
        add(&mut file, begin + 3, &gone);
    }
    file
}

const COMPOSITION: u8 = 0x16;
const WINDOW: u8 = 0x17;
const PALETTE: u8 = 0x14;
const OBJECT: u8 = 0x15;
const END: u8 = 0x80;
/// The bar's place and size, at most 63 wide.
const X: u16 = 48;
const Y: u16 = 50;
const WIDTH: u8 = 32;
const HEIGHT: u8 = 8;

fn add(file: &mut Vec<u8>, at_seconds: u32, parts: &[(u8, Vec<u8>)]) {
    for (kind, payload) in parts {
        file.extend(b"PG");
        file.extend((at_seconds * 90_000).to_be_bytes());
        file.extend([0; 4]);
        file.push(*kind);
        file.extend((payload.len() as u16).to_be_bytes());
        file.extend(payload);
    }
}

/// What is on the screen: the object at a place, or nothing.
fn composition(number: u16, object: Option<(u16, u16)>) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    let state = if object.is_some() { 0x80 } else { 0 };
    let mut payload = vec![0, 128, 0, 72, 0x10, high, low, state, 0, 0];
    payload.push(u8::from(object.is_some()));
    if let Some((x, y)) = object {
        payload.extend([0; 4]);
        payload.extend(x.to_be_bytes());
        payload.extend(y.to_be_bytes());
    }
    payload
}

fn window() -> Vec<u8> {
    let mut payload = vec![1, 0];
    payload.extend(X.to_be_bytes());
    payload.extend(Y.to_be_bytes());
    payload.extend([0, WIDTH, 0, HEIGHT]);
    payload
}

fn object() -> Vec<u8> {
    // Each row is as many pixels of colour 1, and its end.
    let row = [0, 0x80 | WIDTH, 1, 0, 0];
    let rows = row.repeat(usize::from(HEIGHT));
    let [_, high, middle, low] = (rows.len() as u32 + 4).to_be_bytes();
    let mut payload = vec![0, 0, 0, 0xc0, high, middle, low, 0, WIDTH, 0, HEIGHT];
    payload.extend(rows);
    payload
}
