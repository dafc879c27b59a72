//! Many stories, one after the other on each core.
