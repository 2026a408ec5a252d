"""The car's own web page: see what it sees, stop it, drive it by hand, choose what drives it.

begin         with what it begins: models from files, the one in use
serve         where it listens, under which token
app           HTTP and websockets
static/       the page itself
guard         which requests come from our own page
desk          what the console does, without a web server
seat          who commands the car, and whether they are still there
wizard_desk   the calibration wizard in the page
record        what it remembers: events, telemetry
board         the board's own health
"""
