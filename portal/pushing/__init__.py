"""Pages of the push of events to an ERP: where to, how it goes, and what is sent once more."""
