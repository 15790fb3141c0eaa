//! A row of filters with one way in and one way out.

use std::ffi::c_int;
use std::ptr;

use ffmpeg_next::ffi;
use segue_model::Time;

use super::{AGAIN, AvError, END, Frame, c_string, check, rational, time};

/// A filter graph for pictures.
pub(crate) struct Graph {
    graph: *mut ffi::AVFilterGraph,
    entry: *mut ffi::AVFilterContext,
    exit: *mut ffi::AVFilterContext,
    /// What it was made for: size, pixel format, sample aspect.
    input: ((u32, u32), c_int, Option<Time>),
}

// SAFETY: owned by one holder at a time; libav ties a graph to no thread.
unsafe impl Send for Graph {}

impl Graph {
    /// Builds `description` (libav's filter language) for frames like `first`, whose timestamps
    /// count in `time_base`. `threads`: 0 for as many as the machine has cores.
    pub(crate) fn new(
        first: &Frame,
        time_base: Time,
        description: &str,
        threads: u32,
        exact: bool,
    ) -> Result<Graph, AvError> {
        let ((width, height), format) = (first.size(), first.format());
        let base = rational(time_base);
        let aspect = first.sample_aspect();
        let ratio = rational(aspect.unwrap_or(Time::from_secs(1)));
        let arguments = c_string(&format!(
            "video_size={width}x{height}:pix_fmt={format}:time_base={}/{}:pixel_aspect={}/{}",
            base.num, base.den, ratio.num, ratio.den
        ));
        let input = ((width, height), format, aspect);
        // SAFETY: every pointer comes from libav just before; the graph is owned by the value from
        // its allocation on and frees all filters in it; in/out lists are freed on every path.
        unsafe {
            let raw = ffi::avfilter_graph_alloc();
            assert!(!raw.is_null(), "out of memory");
            let mut graph =
                Graph { graph: raw, entry: ptr::null_mut(), exit: ptr::null_mut(), input };
            (*raw).nb_threads = threads as c_int;
            if exact {
                let flags = c"flags=bicubic+accurate_rnd+full_chroma_int+bitexact";
                (*raw).scale_sws_opts = ffi::av_strdup(flags.as_ptr());
            }
            graph.entry = graph.add(c"buffer", c"in", arguments.as_ptr())?;
            graph.exit = graph.add(c"buffersink", c"out", ptr::null())?;
            let mut outputs = ffi::avfilter_inout_alloc();
            let mut inputs = ffi::avfilter_inout_alloc();
            assert!(!outputs.is_null() && !inputs.is_null(), "out of memory");
            (*outputs).name = ffi::av_strdup(c"in".as_ptr());
            (*outputs).filter_ctx = graph.entry;
            (*inputs).name = ffi::av_strdup(c"out".as_ptr());
            (*inputs).filter_ctx = graph.exit;
            let description = c_string(description);
            let parsed = ffi::avfilter_graph_parse_ptr(
                raw,
                description.as_ptr(),
                &mut inputs,
                &mut outputs,
                ptr::null_mut(),
            );
            ffi::avfilter_inout_free(&mut inputs);
            ffi::avfilter_inout_free(&mut outputs);
            check(parsed, "understand the filters")?;
            check(ffi::avfilter_graph_config(raw, ptr::null_mut()), "set up the filters")?;
            Ok(graph)
        }
    }

    /// # Safety
    /// `arguments` is null or a terminated string.
    unsafe fn add(
        &mut self,
        filter: &std::ffi::CStr,
        name: &std::ffi::CStr,
        arguments: *const std::ffi::c_char,
    ) -> Result<*mut ffi::AVFilterContext, AvError> {
        let mut context = ptr::null_mut();
        // SAFETY: the graph is allocated; buffer and buffersink are always built in.
        let code = unsafe {
            ffi::avfilter_graph_create_filter(
                &mut context,
                ffi::avfilter_get_by_name(filter.as_ptr()),
                name.as_ptr(),
                arguments,
                ptr::null_mut(),
                self.graph,
            )
        };
        check(code, "make a filter").map(|_| context)
    }

    /// Whether `frame` is like the one the graph was made for.
    pub(crate) fn suits(&self, frame: &Frame) -> bool {
        self.input == (frame.size(), frame.format(), frame.sample_aspect())
    }

    /// Puts a frame in and keeps it intact for others; `None`: there are no more.
    pub(crate) fn push(&mut self, frame: Option<&mut Frame>) -> Result<(), AvError> {
        let raw = frame.map_or(ptr::null_mut(), |frame| frame.0);
        let keep = ffi::AV_BUFFERSRC_FLAG_KEEP_REF as c_int;
        // SAFETY: the graph is configured; the frame is valid or null.
        check(unsafe { ffi::av_buffersrc_add_frame_flags(self.entry, raw, keep) }, "filter")
            .map(|_| ())
    }

    /// The next frame that is through.
    pub(crate) fn pull(&mut self) -> Result<Option<Frame>, AvError> {
        let frame = Frame::new();
        // SAFETY: the graph is configured and the frame blank.
        match unsafe { ffi::av_buffersink_get_frame(self.exit, frame.0) } {
            AGAIN | END => Ok(None),
            code => check(code, "filter").map(|_| Some(frame)),
        }
    }

    /// Seconds per tick of the frames that come out.
    pub(crate) fn time_base(&self) -> Option<Time> {
        // SAFETY: the graph is configured.
        time(unsafe { ffi::av_buffersink_get_time_base(self.exit) })
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: allocated in `new`, freed once, with all its filters.
        unsafe { ffi::avfilter_graph_free(&mut self.graph) };
    }
}
