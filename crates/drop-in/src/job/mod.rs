//! Has a pool make a job, and lets its segments appear where the media server looks for them.
