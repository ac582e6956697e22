"""For the tests of applications: emulated boards, fake devices."""
