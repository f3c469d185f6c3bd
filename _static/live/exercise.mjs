// An exercise that is answered on the page, by the rule and with the hints that its cell has, too.

const KEPT = "answers"; // what was typed stays on this device, until forgotten

/** A number as readers write it, such as 1,719 or −0.09; NaN if it can't be read. */
export function number(text) {
  const plain = text.trim().replace("\u2212", "-").replace(/^\+/, "");
  const whole = /^-?[1-9]\d{0,2}([,\s_]\d{3})+(\.\d+)?$/.test(plain) ? plain.replace(/[,\s_]/g, "") : plain;
  return /^-?(\d+\.?\d*|\.\d+)$/.test(whole) ? Number(whole) : NaN;
}

/** What the reader is told of an answer, as `Question.reply` in mnist_tutorial/book/exercises.py. */
export function reply({ replies, atol, rtol }, numbers) {
  const near = (wanted, part) => wanted === null
    || Math.abs(numbers[part] - wanted) <= atol + rtol * Math.abs(wanted);
  return replies.find(([answer]) => answer.every(near))[1];
}

function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEPT)) ?? {};
  } catch {
    return {};
  }
}

const entered = (field) => (field.type === "checkbox" ? field.checked : field.value);

function value(field) {
  if (field.type === "checkbox") return Number(field.checked);
  if (!field.value.trim()) return null;
  return field.localName === "select" ? Number(field.value) : number(field.value);
}

export default function mount(form) {
  const question = JSON.parse(form.dataset.question), { name } = form.dataset;
  const fields = [...form.querySelectorAll("input, select")];
  const status = form.querySelector("[role=status]"), button = form.querySelector("button");

  function words() {
    const numbers = fields.map(value);
    const unread = fields.find((_, part) => Number.isNaN(numbers[part]));
    if (unread) return `“${unread.value}” can’t be read: write a number such as 1200 or 0.25.`;
    if (question.several ? !numbers.includes(1) : numbers.includes(null)) {
      return fields.length > 1 && !question.several ? "No answer yet: fill in every field." : "No answer yet.";
    }
    return reply(question, numbers);
  }

  function tell() {
    const said = words();
    // Between backticks is code.
    status.replaceChildren(...said.split("`").map((text, part) => {
      if (part % 2 === 0) return text.replaceAll("'", "\u2019");
      const code = document.createElement("code");
      code.textContent = text;
      return code;
    }));
    form.classList.toggle("live-right", said.startsWith("Right."));
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    tell();
    try {
      localStorage.setItem(KEPT, JSON.stringify({ ...kept(), [name]: fields.map(entered) }));
    } catch {} // a browser may forbid storage
    document.dispatchEvent(new Event("kept"));
  });
  document.addEventListener("forgotten", () => {
    form.reset();
    form.classList.remove("live-right");
    status.textContent = "";
  });
  const before = kept()[name];
  if (before?.length === fields.length) {
    fields.forEach((field, part) => {
      field[field.type === "checkbox" ? "checked" : "value"] = before[part];
    });
    tell();
  }
  button.disabled = false;
}
