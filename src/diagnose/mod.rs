//! Why a cache was not read: the first place where two requests part, and one cause per miss.
