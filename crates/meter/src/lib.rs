//! What host applications embed to meter their own calls.
