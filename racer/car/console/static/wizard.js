// The calibration wizard: questions come from the car, one at a time. A pulse is shown for one second at a press.

let drawn = "";

function make(name, text, parent, className) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (className) made.className = className;
  parent.append(made);
  return made;
}

function button(text, parent, act) {
  const made = make("button", text, parent);
  made.type = "button";
  made.onclick = act;
  return made;
}

export function showWizard(body, s, send) {
  const key = JSON.stringify([s.wizard, s.command, s.state]);
  if (key === drawn) return; // else an input would lose what is being typed
  drawn = key;
  body.replaceChildren();
  const tell = (act, more) => send({ do: "wizard", act, ...more });
  if (!s.wizard) return void make("p", "Not from this page: run `racer car calibration wizard` in a terminal on a real car.", body, "note");
  if (!s.wizard.step) return idle(body, s, tell);
  const step = s.wizard.step;
  Object.assign(make("progress", "", body), { max: step.count, value: step.number });
  make("h3", `${step.number}/${step.count}  ${step.title}`, body);
  make("p", step.text, body);
  if (step.pulse !== null) pulse(body, step, tell);
  const inputs = step.fields.map((field) => input(body, field));
  const choice = step.choices.length ? select(body, step) : null;
  const row = make("div", "", body, "row");
  const last = step.name === "done";
  button(last ? "Save" : "Next", row, () => {
    if (last) return tell("save");
    const given = Object.fromEntries(inputs.map((one) => [one.name, Number(one.value)]));
    if (choice) given.choice = choice.value;
    tell("accept", { given });
  }).className = "go";
  if (step.number > 1) button("Back", row, () => tell("back"));
  button("Cancel", row, () => tell("cancel"));
  for (const one of body.querySelectorAll("button")) one.disabled = s.command !== "mine";
}

function idle(body, s, tell) {
  if (s.wizard.saved) make("p", "Saved. Start the actuator again: systemctl start racer-actuator", body);
  make("p", "Lift the car first. The car's own actuator must be stopped: systemctl stop racer-actuator", body, "note");
  button("Begin calibration", body, () => tell("begin")).disabled = s.command !== "mine";
}

function pulse(body, step, tell) {
  make("p", `${step.pulse} µs`, body, "pulse");
  const row = make("div", "", body, "nudge");
  for (const by of [-50, -10, -1, 1, 10, 50]) button(by > 0 ? `+${by}` : `−${-by}`, row, () => tell("change", { by }));
  button("Show for one second", make("div", "", body, "row"), () => tell("show"));
}

function input(body, field) {
  const label = make("label", field.words, body);
  const made = make("input", "", label);
  Object.assign(made, { type: "number", name: field.name, min: field.low, max: field.high, step: "any", value: field.value });
  return made;
}

function select(body, step) {
  const made = make("select", "", body);
  for (const word of step.choices) make("option", word, made).value = word;
  if (step.choice) made.value = step.choice;
  return made;
}
