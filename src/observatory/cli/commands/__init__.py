"""One module per family of commands. A module is loaded when one of its commands is called or explained."""
