#!/usr/bin/env bash
# Makes a film to try things on, of so many seconds, unless it is there already.
#
#   scripts/film.sh FILE SECONDS [WIDTHxHEIGHT]
#
# Colours that drift, a clock and a frame number that show a lost or repeated frame, a ball that
# crosses the screen at one speed, and two voices, one steady and one sweeping, in which the
# smallest gap is a click.
set -euo pipefail

file=$1 seconds=$2 size=${3:-1920x1080}
width=${size%x*} height=${size#*x}

[ -e "$file" ] && exit
mkdir -p "$(dirname "$file")"
part=$file.part
trap 'rm -f "$part"' EXIT
trap 'exit 130' INT TERM

# Drawn small: the colours have no edges to lose.
colours="gradients=s=$((width / 4))x$((height / 4)):r=24:d=$seconds:n=4:seed=7:speed=0.01"
colours+=":c0=0x0b1d3a:c1=0x2a6f97:c2=0xe07a5f:c3=0x3d405b,scale=$width:$height:flags=bilinear"
radius=$((height / 24))
ball="color=white:s=$((2 * radius))x$((2 * radius)):r=24:d=$seconds,format=yuva420p"
ball+=",geq=lum=235:cb=128:cr=128:a='255*clip($radius-hypot(X-$radius+0.5\,Y-$radius+0.5)\,0\,1)'"
ball+=",trim=end_frame=1,loop=-1:1"
text="fontcolor=white:shadowcolor=black@0.5:shadowx=2:shadowy=2:x=(w-tw)/2"
clock="drawtext=$text:fontsize=$((height / 7)):y=(h-th)/2:timecode='00\:00\:00\:00':rate=24"
number="drawtext=$text:fontsize=$((height / 20)):y=h*0.66:text='frame %{frame_num}'"
path="x='mod(t*$((width / 4))\,$((width + 2 * radius)))-$((2 * radius))':y='(H-h)*0.85'"

progress=(-nostats)
[ -t 2 ] && progress=(-stats)
ffmpeg -nostdin -v error "${progress[@]}" -y \
    -f lavfi -i "$colours" -f lavfi -i "$ball" \
    -f lavfi -i "aevalsrc=0.15*sin(2*PI*220*t)|0.15*sin(2*PI*330*t-1320*cos(2*PI*t/12)):s=48000:d=$seconds" \
    -filter_complex "[0][1]overlay=$path:shortest=0:eof_action=repeat,$clock,$number,format=yuv420p" \
    -t "$seconds" -c:v libx264 -preset ultrafast -crf 18 -g 100 -c:a aac -b:a 160k \
    -f matroska "$part"
mv "$part" "$file"
